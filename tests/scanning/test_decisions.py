"""Benjamini-Hochberg, verdicts and prefix tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from flipad_ops.scanning.decisions import (
    benjamini_hochberg,
    decide,
    most_telling,
    prefix_of,
    prefix_tests,
)
from flipad_ops.scanning.records import Row


def row(key: str, p: float, attributed: bool) -> Row:
    return Row(key, "t", 1, "scored", "a/1", score=p, p=p, attributed=attributed, converged=True)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40))
def test_q_values_equal_scipy(values: list[float]) -> None:
    p = np.array(values)
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)


def test_no_p_values_give_no_q_values() -> None:
    assert benjamini_hochberg(np.zeros(0)).shape == (0,)


def test_false_discovery_rate_holds_over_simulated_scans() -> None:
    source = np.random.default_rng(0)
    wrong = []
    for _ in range(200):
        p = np.concatenate([source.random(450), source.beta(0.1, 30, 50)])
        chosen = benjamini_hochberg(p) <= 0.1
        wrong.append(chosen[:450].sum() / max(chosen.sum(), 1))
    assert np.mean(wrong) <= 0.1


def test_verdicts() -> None:
    rows = [row("a", 0.001, True), row("b", 0.9, False), row("c", 0.2, True)]
    leak, clear, review = decide(rows, fdr=0.01, floor=0.001)
    assert (leak.verdict, clear.verdict, review.verdict) == ("leak", "clear", "review")
    assert "above the FDR" in review.why
    assert not leak.why


def test_a_low_p_alone_is_no_leak() -> None:
    """Above the threshold nothing is flagged, however rare among foreign images."""
    assert decide([row("a", 1e-6, False)], fdr=0.01, floor=1e-6)[0].verdict == "clear"


def test_review_names_the_calibration_floor() -> None:
    rows = [row("a", 0.01, True)] + [row(f"n{i}", 0.5, False) for i in range(50)]
    assert "calibration floor 0.01" in decide(rows, fdr=0.01, floor=0.01)[0].why


def test_prefix_test_finds_a_folder_of_weak_evidence() -> None:
    judged = [(f"hot/{i}", True, False) for i in range(10)]
    judged += [(f"cold/{i}", False, False) for i in range(90)]
    tests = {t.prefix: t for t in prefix_tests(judged, 0.02)}
    assert tests["hot"].q < 1e-6
    assert tests["hot"].p == pytest.approx(0.02**10)
    assert tests["cold"].q == 1.0
    assert tests["hot"].expected == 10 * 0.02
    assert prefix_tests([], 0.02) == []


def test_of_very_many_prefixes_the_most_telling_are_shown() -> None:
    tests = prefix_tests([(f"{i:03d}/x", i == 77, i == 77) for i in range(100)], 0.02)
    assert [(t.attributed, t.leaks) for t in tests if t.prefix == "077"] == [(1, 1)]
    shown = [test.prefix for test in most_telling(tests, 3)]
    assert len(shown) == 3
    assert "077" in shown
    assert shown == sorted(shown)


def test_prefix_of() -> None:
    assert [prefix_of(key) for key in ("a/b/c.png", "c.png")] == ["a/b", ""]
