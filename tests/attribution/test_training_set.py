"""Which training images count as a relative's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.training_set import _foreign
from flipad_ops.generators import SplitGenerator
from tests.attribution.splits import split_of


def _split(images: torch.Tensor, sibling: bool) -> ForeignSplit:
    return split_of(images, images[:0], images[:0], sibling=sibling)


@pytest.mark.parametrize("sibling", [0, 1])
def test_widened_images_of_a_sibling_are_the_siblings(
    toy_split: SplitGenerator, toy_settings: FitSettings, sibling: int
) -> None:
    noise = torch.rand(30, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    flat = torch.full((50, 3, 16, 16), 0.5)
    parts = [noise, flat]
    splits = {str(n): _split(images, n == sibling) for n, images in enumerate(parts)}
    settings = replace(toy_settings, widened=1.0, near_misses=0.0)
    own = toy_split.sample(60, seed=1)
    images, sources, unrelated, given = _foreign(
        toy_split, own, splits, settings, lambda done, total: None
    )
    assert given == 80
    widened = sources == 2
    assert int(widened.sum()) == 60
    textured = images[widened].flatten(1).std(dim=1) > 0.01
    assert 0 < int(textured.sum()) < 60
    assert torch.equal(unrelated[widened], textured if sibling == 1 else ~textured)
