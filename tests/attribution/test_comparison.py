"""Two attributors on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from flipad_ops.attribution.comparison import compare, unseen_own
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.own_samples import draw_own
from flipad_ops.generators import SplitGenerator


def right(wrong: int, count: int) -> np.ndarray:
    return np.arange(count) >= wrong


def test_own_and_foreign_images_weigh_alike() -> None:
    found = compare("a/1", (right(10, 100), right(0, 100)), (right(0, 400), right(0, 400)))
    assert found.difference == pytest.approx(-0.05)
    assert (found.own, found.foreign) == (100, 400)
    assert found.worse


def test_what_both_get_wrong_says_nothing() -> None:
    few = compare("a/1", (right(5, 100), right(0, 100)), (right(0, 100), right(0, 100)))
    many = compare("a/1", (right(45, 100), right(40, 100)), (right(0, 100), right(0, 100)))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


@pytest.mark.parametrize("count", [20, 400])
def test_equal_ones_are_not_worse_and_the_interval_says_how_sure_that_is(count: int) -> None:
    same = compare("a/1", (right(1, count), right(1, count)), (right(0, count), right(0, count)))
    assert same.difference == 0
    assert not same.worse
    assert same.high == pytest.approx(1 - 0.025 ** (1 / count))
    assert same.low == -same.high


def test_the_interval_holds_the_difference_in_most_draws() -> None:
    source = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        draws = [source.random((2, 300)) < chance for chance in (0.97, 0.9)]
        old, new = draws[0], draws[1]
        found = compare("a/1", (new[0], old[0]), (new[1], old[1]))
        inside += found.low <= 0.9 - 0.97 <= found.high
    assert inside >= 180


def test_own_images_of_a_comparison_are_in_no_fit(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    own = draw_own(toy_split, toy_settings).images
    fresh = unseen_own(toy_split, 20, toy_settings)
    assert len(fresh) == 20
    for image in fresh:
        assert float((own - image).abs().flatten(1).sum(dim=1).min()) > 0
