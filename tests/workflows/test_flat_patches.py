"""A fit whose negatives are mostly sky says so."""

from __future__ import annotations

import torch

from flipad_ops.workflows.flat_patches import flat_said


def test_flat_patches_are_said_and_other_flat_images_are_not() -> None:
    source = torch.Generator().manual_seed(0)
    sky = torch.full((6, 3, 16, 16), 0.5)
    shown = torch.rand((4, 3, 16, 16), generator=source)
    images, groups = torch.cat([sky, shown]), ["a", "b"] * 5
    (said,) = flat_said("photos", images, groups)
    assert said.startswith("photos: 60% of the patches are flat")
    assert "--patch-scale" in said
    assert flat_said("photos", torch.cat([sky[:4], shown]), ["a", "b"] * 4) == []
    assert flat_said("photos", sky, list("abcdef")) == []
