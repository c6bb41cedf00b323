"""The fewest leaks that a scan could have called, against trying every number of them."""

from __future__ import annotations

import numpy as np
import pytest

from flipad_ops.scanning.decisions.family import Family
from flipad_ops.scanning.decisions.power import fewest, power_said


def tried(floors: dict[str, float], tests: dict[str, int], fdr: float) -> int | None:
    """The best that could be: the k strongest tests at their floors, all others at 1."""
    best = np.sort(np.concatenate([np.full(n, floors[name]) for name, n in tests.items()]))
    for k in range(1, len(best) + 1):
        p = np.where(np.arange(len(best)) < k, best, 1.0)
        if Family({"all": p}, fdr).cut >= best[k - 1]:
            return k
    return None


@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(
    "tests", [{"a": 1}, {"a": 61}, {"a": 300}, {"a": 2, "b": 90}, {"a": 40, "b": 40, "c": 1}]
)
def test_it_is_the_smallest_number_that_the_decision_calls(
    tests: dict[str, int], fdr: float
) -> None:
    floors = {"a": 1 / 1000, "b": 1 / 201, "c": 1 / 11}
    assert fewest(floors, tests, fdr) == tried(floors, tests, fdr)


def test_what_is_said() -> None:
    assert power_said({"a": 0.005}, {"a": 61}, 0.01) == (
        "The fewest leaks that this scan could have called are 31 (61 tests, smallest p 0.005, "
        "FDR 0.01)"
    )
    assert power_said({"a": 0.1}, {"a": 61}, 0.01) == (
        "This scan could not have called any number of leaks (61 tests, smallest p 0.1, FDR 0.01)"
    )
    assert fewest({}, {}, 0.01) is None
