"""Tests of groups hold under correlation inside a folder, and find folders of ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flipad_ops.scanning.decisions.groups import PrefixTest, call, group_p
from flipad_ops.scanning.decisions.rules import benjamini_hochberg

FDR = 0.01


def foreign_scans(
    rate: float, correlation: float, scans: int = 400
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scans of twenty foreign folders whose false alarms are alike inside a folder."""
    source = np.random.default_rng(round(1000 * correlation))
    weight = 1 / correlation - 1 if correlation else 0
    drawn = []
    for _ in range(scans):
        scanned = source.choice([5, 20, 100, 1000], size=20)
        rates = source.beta(rate * weight, (1 - rate) * weight, 20) if weight else rate
        drawn.append((source.binomial(scanned, rates), scanned))
    return drawn


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("correlation", [0.0, 0.01, 0.05, 0.1, 0.2])
def test_foreign_folders_are_rarely_called_however_alike_their_images(
    rate: float, correlation: float
) -> None:
    scans = foreign_scans(rate, correlation)
    wrong = sum(bool((benjamini_hochberg(group_p(k, n, rate)) <= FDR).any()) for k, n in scans)
    assert wrong <= FDR * len(scans) + 2 * np.sqrt(FDR * len(scans))
    if correlation >= 0.05 and rate >= 0.01:  # the fault: what independent images would give
        alone = sum(
            bool((benjamini_hochberg(binom.sf(k - 1, n, rate)) <= FDR).any()) for k, n in scans
        )
        assert alone > 0.4 * len(scans)


def test_p_is_no_smaller_than_that_of_independent_images() -> None:
    hits = np.array([0, 1, 2, 2, 20, 1000])
    scanned = np.array([5, 5, 5, 1000, 1000, 1000])
    p = group_p(hits, scanned, 0.01)
    assert (p >= binom.sf(hits - 1, scanned, 0.01) - 1e-15).all()
    assert p[:2].tolist() == [1.0, 1.0]  # one image is no group
    assert 0 < p[-1] < 1e-10  # small tails keep their digits
    assert group_p(np.array([3]), np.array([3]), 1.0).tolist() == [1.0]


def some(*counts: tuple[int, int]) -> list[PrefixTest]:
    hits, scanned = (np.array(values) for values in zip(*counts, strict=True))
    p = group_p(hits, scanned, 0.01)
    return [
        PrefixTest(str(i), int(n), int(k), 0, 0.0, float(p[i]))
        for i, (k, n) in enumerate(zip(hits, scanned, strict=True))
    ]


def test_groups_of_all_attributors_are_one_family() -> None:
    mine, others = some((10, 10), (3, 20)), some(*[(0, 9)] * 200)
    alone, together = call({"a": mine}, FDR)["a"], call({"a": mine, "b": others}, FDR)
    assert [test.called for test in alone] == [True, False]
    assert together["a"][0].q == pytest.approx(mine[0].p * 202)
    assert not any(test.called for test in together["b"])
    assert call({"a": []}, FDR) == {"a": []}
