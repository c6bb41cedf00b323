"""Zooms, shifts, resizing and filters."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from flipad_ops.regeneration.alterations import (
    apply_filter,
    best_filter,
    compose,
    place,
    resample,
    smaller_sides,
    undo_place,
)


def _smooth(count: int, side: int = 32) -> torch.Tensor:
    source = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 1, side // 4, side // 4, generator=source)
    return F.interpolate(coarse, (side, side), mode="bicubic")


def test_nothing_changes_nothing() -> None:
    images = _smooth(2)
    assert torch.allclose(place(images, torch.zeros(2, 3)), images, atol=1e-5)
    assert resample(images, torch.zeros(2, dtype=torch.int64)) is images


def test_shift_by_a_pixel() -> None:
    images = _smooth(1)
    moved = place(images, torch.tensor([[0.0, 1.0, 0.0]]))  # one row further down
    assert torch.allclose(moved[..., :-1, :], images[..., 1:, :], atol=1e-5)


def test_two_placements_are_one() -> None:
    images = _smooth(2)
    inner = torch.tensor([[0.1, 0.5, -0.7], [0.05, 0.0, 0.3]])
    outer = torch.tensor([[0.07, -0.4, 0.2], [0.1, 0.6, 0.1]])
    twice = place(place(images, inner), outer)
    once = place(images, compose(outer, inner))
    assert (twice - once)[..., 4:-4, 4:-4].abs().max() < 0.05


def test_placement_is_undone() -> None:
    images = _smooth(1)
    where = torch.tensor([[0.1, 0.4, -0.3]])
    back = undo_place(place(images, where), where)
    assert (back - images)[..., 6:-6, 6:-6].abs().max() < 0.06


def test_filter_is_found() -> None:
    images = _smooth(3) + 0.1 * torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    line = torch.tensor([0.05, 0.25, 0.4, 0.25, 0.05])
    taps = torch.outer(line, line).expand(3, 5, 5)
    found = apply_filter(images, taps)
    again = apply_filter(images, best_filter(images, found))
    assert (again - found).abs().max() < 0.02 < (images - found).abs().max()


def test_colours_share_a_filter() -> None:
    images = _smooth(2).expand(2, 3, 32, 32)
    taps = best_filter(images, images)
    assert taps.shape == (2, 5, 5)
    assert torch.allclose(apply_filter(images, taps), images, atol=1e-4)


def test_stays_at_smaller_sizes_differ_by_image() -> None:
    images = _smooth(3)
    made = resample(images, torch.tensor([0, 16, 24]))
    assert torch.equal(made[0], images[0])
    alone = resample(images[1:2], torch.tensor([16]))
    assert torch.allclose(made[1:2], alone)
    assert not torch.allclose(made[2], images[2])


def test_smaller_sides_reach_from_nearly_half() -> None:
    assert smaller_sides((1, 32, 32))[0] == 14
    assert smaller_sides((1, 32, 32))[-1] == 31
    assert len(smaller_sides((3, 512, 768))) < 20
