"""p-values that count origins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flipad_ops.common.errors import AttributorUncalibrated
from flipad_ops.detection import Null
from flipad_ops.detection.null import LEAST_ALONE

_FEW = arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 9).map(float))


@given(values=_FEW, null=_FEW)
def test_without_origins_p_is_what_the_conformal_formula_says(values, null) -> None:
    expected = [(1 + (null <= value).sum()) / (len(null) + 1) for value in values]
    assert np.allclose(Null({"a": null}).p(values), expected)


def test_p_is_super_uniform_when_a_foreign_image_comes_from_any_one_of_the_strata() -> None:
    source = np.random.default_rng(1)
    trials, levels = 4000, np.array([0.01, 0.05, 0.1, 0.25, 0.5])
    p = np.empty(trials)
    for trial in range(trials):
        null = Null({"a": source.normal(0, 1, 199), "b": source.normal(0.5, 2, 119)})
        p[trial] = null.p(source.normal(0, 1, 1))[0]
    rates = (p[:, None] <= levels).mean(axis=0)
    assert (rates <= levels + 3 * np.sqrt(levels * (1 - levels) / trials)).all()


def test_one_stratum_makes_exactly_uniform_p() -> None:
    source = np.random.default_rng(2)
    p = [Null({"a": source.random(19)}).p(source.random(1))[0] for _ in range(8000)]
    counts = np.bincount(np.rint(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert (np.abs(counts - 400) < 4.5 * np.sqrt(400 * 0.95)).all()


def test_images_of_one_origin_count_once_however_many_there_are() -> None:
    scores = np.r_[np.full(1000, 1.0), 2.0, 3.0]
    null = Null({"photographs": scores}, {"photographs": np.r_[np.zeros(1000, np.int64), 1, 2]})
    assert null.floor == 1 / 4
    assert np.allclose(null.p(np.array([0.5, 1.0, 2.0, 9.0])), [1 / 4, 2 / 4, 3 / 4, 1])


def test_p_is_uniform_for_images_of_new_origins_whose_patches_are_alike() -> None:
    """Images of one origin share most of their score: p by images would be far too small."""
    draw, low, small = np.random.default_rng(0), [], 0.05
    for _ in range(400):
        centres = draw.normal(size=21)
        at = np.repeat(np.arange(20), 50)
        scores = centres[at] + 0.1 * draw.normal(size=len(at))
        new = centres[20:] + 0.1 * draw.normal(size=1)
        low.append(bool(Null({"a": scores}, {"a": at}).p(new)[0] <= small))
    assert np.mean(low) <= small + 0.02


@pytest.mark.parametrize("few", [1, 12, LEAST_ALONE - 1])
def test_a_small_source_changes_no_floor(few: int) -> None:
    """Neither those of a dozen images nor those of a dozen photographs silence an attributor."""
    draw = np.random.default_rng(1)
    large, small = draw.normal(size=2000), draw.normal(size=few * 7)
    alone = Null({"large": large})
    both = Null({"large": large, "small": small}, {"small": np.repeat(np.arange(few), 7)})
    assert both.floor == alone.floor
    values = draw.normal(size=200)
    assert (both.p(values) >= alone.p(values)).all()
    assert np.abs(both.p(values) - alone.p(values)).max() <= few / 2000


def test_large_strata_each_have_their_own_p_and_the_largest_counts() -> None:
    near, far = np.zeros(LEAST_ALONE), np.full(LEAST_ALONE, 5.0)
    assert Null({"near": near, "far": far}).p(np.array([1.0])) == pytest.approx(1.0)


def test_strata_of_the_same_images_share_their_origins() -> None:
    """Altered copies of the same images are no further origins."""
    at = np.arange(30)
    null = Null({"a": at + 0.0, "a, altered": at + 0.5}, {"a": at, "a, altered": at})
    assert null.floor == 1 / 31


@pytest.mark.parametrize("scores", [{}, {"a": np.ones(3), "b": np.zeros(0)}])
def test_nothing_to_calibrate_with_is_said(scores: dict[str, np.ndarray]) -> None:
    with pytest.raises(AttributorUncalibrated, match="in every stratum"):
        Null(scores)
