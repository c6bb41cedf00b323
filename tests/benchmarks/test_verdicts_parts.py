"""What the benchmark of verdicts says of repeated scans and of folders holds in small."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdicts_parts.groups import group_false_alarm_icc
from benchmarks.verdicts_parts.over_time import (
    Null,
    from_scores,
    leaks_called,
    models50_false_exit,
    uniform,
    year_false_alarm,
)

SCORES = np.random.default_rng(5).lognormal(size=20_000)


@pytest.mark.parametrize(
    "null",
    [uniform(), uniform(19_999, alike=5), from_scores(SCORES, 19_000)],
    ids=["uniform", "alike", "scores"],
)
def test_clean_years_stay_below_the_bound(null: Null) -> None:
    found = year_false_alarm(null, years=20, daily=50)
    assert found["bound"] == 0.05
    assert found["low"] <= found["bound"]
    assert found["share"] <= 0.15  # 3 of 20 at a true share of 0.05: once in 60 times
    assert found["alone"] >= found["share"]


def test_p_values_of_the_nulls_are_never_too_small() -> None:
    source = np.random.default_rng(0)
    for null in (uniform(), uniform(99), from_scores(SCORES, 999)):
        p = np.concatenate([null(source)(100) for _ in range(200)])
        for level in (0.01, 0.05, 0.2):
            assert (p <= level).mean() <= level + 4 * np.sqrt(level / len(p)) + 0.002
    alike = uniform(0, alike=10)(source)(95)
    assert len(alike) == 95
    assert len(np.unique(alike)) == 10


def test_fifty_models_in_one_scan_are_one_family() -> None:
    found = models50_false_exit(uniform(), scans=150, contents=20)
    assert (found["models"], found["bound"]) == (50, 0.01)
    assert found["low"] <= 0.01
    assert found["share"] <= 0.04
    year = year_false_alarm(uniform(), years=6, models=50, daily=2)
    assert year["share"] <= 1 / 3


def test_foreign_folders_are_rarely_called_however_alike_their_images_are() -> None:
    found = group_false_alarm_icc(scans=100)
    assert list(found) == ["0", "0.1", "0.2"]
    for figures in found.values():
        assert figures["low"] <= figures["bound"] == 0.01
        assert figures["share"] <= 0.04


def test_what_the_bound_costs() -> None:
    """Nothing at the first scan; later near the noise all, far from it nothing."""
    first = leaks_called(5, 3, day=1, repeats=50)
    assert first["carried"] == first["alone"] > 0.8
    late = {shift: leaks_called(shift, 3, day=100, repeats=50) for shift in (3, 5, 7)}
    assert all(found["carried"] <= found["alone"] for found in late.values())
    assert late[7]["carried"] > 0.99
    assert leaks_called(7, 3, day=100, repeats=50, floor=1e-4)["carried"] == 0.0
