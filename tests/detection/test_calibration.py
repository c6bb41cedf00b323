from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from flipad_ops.common.errors import AttributorUncalibrated
from flipad_ops.detection import (
    Rate,
    auc,
    missed_at_most,
    threshold_at_fnr,
)

few = st.integers(0, 6).map(float)  # few values, hence many ties


def scores(least: int = 1) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, st.integers(least, 40), elements=few)


@given(arrays(np.float64, st.integers(1, 300), elements=st.floats(0, 1e6)), st.floats(0.001, 0.4))
def test_at_most_the_tolerated_share_of_own_scores_lies_above(own: np.ndarray, fnr: float) -> None:
    threshold = threshold_at_fnr(own, fnr)
    assert threshold in own
    assert (own > threshold).sum() <= fnr * len(own)


def test_threshold_uses_the_rate_it_was_granted() -> None:
    own = np.random.default_rng(0).permutation(1000.0 + np.arange(1000))
    assert (own > threshold_at_fnr(own, 0.005)).sum() in (4, 5)
    assert (own > threshold_at_fnr(own, 0.1)).sum() in (99, 100)
    assert threshold_at_fnr(own[:100], 0.005) == own[:100].max()


@pytest.mark.parametrize(("count", "fnr"), [(1000, 0.005), (200, 0.005), (600, 0.01), (250, 0.02)])
def test_further_own_images_are_missed_as_rarely_as_stated(count: int, fnr: float) -> None:
    """On average at most `fnr`; and in 95% of fits at most `missed_at_most`. Uniform scores: the
    share missed by a threshold is one minus it."""
    source, missed, within = np.random.default_rng(3), [], []
    for _ in range(4000):
        own = source.random(count)
        threshold = threshold_at_fnr(own, fnr)
        missed.append(1 - threshold)
        within.append(missed[-1] <= missed_at_most(int((own > threshold).sum()), count))
    assert np.mean(missed) <= fnr * 1.05
    assert 0.94 <= np.mean(within) <= 0.96


@pytest.mark.parametrize("own", [[], [1.0, math.nan], [math.inf]])
def test_threshold_needs_finite_scores(own: list[float]) -> None:
    with pytest.raises(AttributorUncalibrated, match="finite scores of held-out own samples"):
        threshold_at_fnr(np.array(own), 0.005)


@given(st.integers(1, 400), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_interval_is_clopper_pearson(count: int, data: st.DataObject, level: float) -> None:
    hits = data.draw(st.integers(0, count))
    rate = Rate.of(hits, count, level)
    expected = binomtest(hits, count).proportion_ci(level, method="exact")
    assert (rate.value, rate.count) == (hits / count, count)
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_interval_of_95_percent_unless_asked_otherwise() -> None:
    assert Rate.of(3, 50) == Rate.of(3, 50, 0.95)


def test_interval_of_nothing() -> None:
    rate = Rate.of(0, 0)
    assert math.isnan(rate.value)
    assert (rate.low, rate.high, rate.count) == (0.0, 1.0, 0)


@given(scores(), scores())
def test_auc_agrees_with_sklearn(own: np.ndarray, foreign: np.ndarray) -> None:
    labels = np.r_[np.zeros(len(own)), np.ones(len(foreign))]
    expected = roc_auc_score(labels, np.r_[own, foreign])
    assert auc(own, foreign) == pytest.approx(expected, abs=1e-12)


def test_auc_of_nothing() -> None:
    assert math.isnan(auc(np.ones(0), np.ones(3)))
    assert math.isnan(auc(np.ones(3), np.ones(0)))


def test_interval_of_images_that_count_by_their_origins() -> None:
    """As many trials as origins, at the mean of their shares; images of one origin each are the
    usual case."""
    hit, origins = np.r_[np.ones(10, bool), np.zeros(30, bool)], np.repeat(np.arange(4), 10)
    rate = Rate.among(hit, origins)
    assert (rate.value, rate.count, rate.origins) == (0.25, 40, 4)
    alone = Rate.of(1, 4)
    assert (rate.low, rate.high) == (alone.low, alone.high)
    assert Rate.among(hit, np.arange(40)) == Rate.of(10, 40)
    none = Rate.among(np.zeros(1000, bool), np.zeros(1000, np.int64))
    assert (none.value, none.low, none.origins) == (0, 0, 1)
    assert none.high == pytest.approx(0.975)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_interval_covers_the_rate_of_further_origins(count: int) -> None:
    """Of origins whose shares differ widely, as those of photographs do."""
    source, covered = np.random.default_rng(5), []
    for _ in range(1000):
        shares = source.beta(0.1, 0.9, count)
        hit = source.random((count, 30)) < shares[:, None]
        rate = Rate.among(hit.ravel(), np.repeat(np.arange(count), 30))
        covered.append(rate.low <= 0.1 <= rate.high)
    assert np.mean(covered) >= 0.95
