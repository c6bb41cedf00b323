"""The photographs' patches: what they are, and that no pixel serves two purposes."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import pytest
import torch

from flipad_ops.common.errors import UsageError
from flipad_ops.demo import photos
from flipad_ops.demo.photos import Purpose, photo_patches, strips


def test_patches_are_eight_bit_pixels_of_the_asked_shape() -> None:
    patches = photo_patches("generator", 7, 16)
    assert patches.shape == (7, 3, 16, 16)
    assert patches.dtype == torch.float32
    levels = patches * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert 0 <= float(patches.min()) < float(patches.max()) <= 1


def test_patches_of_both_photographs_vary() -> None:
    patches = photo_patches("scan", 64)
    assert float(patches.std(dim=0).mean()) > 0.15
    assert float(patches[0::2].mean() - patches[1::2].mean()) != 0


def test_the_seed_decides_the_patches() -> None:
    first = photo_patches("scan", 8, seed=3)
    assert torch.equal(first, photo_patches("scan", 8, seed=3))
    assert not torch.equal(first, photo_patches("scan", 8, seed=4))


def test_no_pixel_serves_two_purposes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Photographs whose pixels are their own numbers; float32 counts exactly that far.
    count = 427 * 640
    numbered = [
        (torch.arange(count, dtype=torch.float32) + offset).reshape(1, 427, 640).expand(3, -1, -1)
        for offset in (0, count)
    ]
    monkeypatch.setattr(photos, "photographs", lambda: numbered)
    used = {
        purpose: set(photo_patches(purpose, 600, 32).unique().tolist())
        for purpose in get_args(Purpose)
    }
    for one, other in combinations(used, 2):
        assert not used[one] & used[other]
    # What is written as negatives is the whole strip, not only the patches drawn from it.
    whole = {int(v) for strip in strips("negatives") for v in strip.unique().tolist()}
    assert not whole & (used["generator"] | used["scan"])
    assert len(whole) == 2 * 427 * 224


def test_what_cannot_be_cut_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="Unknown purpose 'test'"):
        photo_patches("test", 1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="do not fit a strip of 160"):
        photo_patches("scan", 1, 200)
