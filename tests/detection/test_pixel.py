"""The view of pixels for altered images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flipad_ops.detection import auc, can_view_pixels, fit_pixels
from flipad_ops.detection.pixel import PixelView


def images(seed: int, bright: float, count: int = 90, size: int = 16) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    spot = torch.zeros(size, size)
    spot[: size // 2] = bright
    return (torch.rand(count, 1, size, size, generator=source) * 0.7 + spot).clamp(0, 1)


def test_tells_own_from_foreign_and_repeats() -> None:
    view = fit_pixels(images(1, 0.2), images(2, 0.0, 30), seed=3)
    own, foreign = view(images(4, 0.2)), view(images(5, 0.0))
    assert auc(own.numpy(), foreign.numpy()) > 0.95
    assert own.dtype == torch.float64
    assert (own > 0).all()
    again = fit_pixels(images(1, 0.2), images(2, 0.0, 30), seed=3)
    assert torch.equal(again(images(4, 0.2)), own)


def test_scores_do_not_depend_on_the_batch() -> None:
    view = fit_pixels(images(1, 0.2), images(2, 0.0), seed=3)
    several = images(4, 0.2, 19)
    alone = torch.cat([view(one[None]) for one in several])
    assert torch.equal(view(several), alone)


def test_a_last_batch_of_one_is_left_out() -> None:
    assert torch.isfinite(
        fit_pixels(images(1, 0.2, 33), images(2, 0.0, 32), seed=0)(images(3, 0))
    ).all()


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 9, 40), (3, 130, 200), (1, 28, 28)])
def test_any_image_with_room_for_a_block(shape: tuple[int, ...]) -> None:
    assert can_view_pixels(shape)
    assert PixelView(shape)(torch.rand(2, *shape)).shape == (2,)


@pytest.mark.parametrize("shape", [(4, 32, 32), (3, 7, 32), (30,)])
def test_what_is_no_image_for_it(shape: tuple[int, ...]) -> None:
    assert not can_view_pixels(shape)
