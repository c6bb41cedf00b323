"""Benjamini-Hochberg, verdicts and prefix tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, false_discovery_control

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.groups import grouping, most_telling, prefix_of, prefix_tests
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.decisions.rules import benjamini_hochberg, judge


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
    leak = judge(row("a", 0.001, True), 0.01, fdr=0.01, floor=0.001, count=3)
    assert (leak.verdict, leak.q, leak.why) == ("leak", 0.01, "")
    review = judge(row("c", 0.2, True), 0.3, fdr=0.01, floor=0.001, count=3)
    assert (review.verdict, review.q) == ("review", 0.3)
    assert review.why == "q = 0.3 is above the FDR 0.01"
    clear = judge(row("b", 1e-6, False), 1e-6, fdr=0.01, floor=1e-6, count=1)
    # Above the threshold nothing is flagged, however rare among foreign images.
    assert (clear.verdict, clear.q, clear.why) == ("clear", 1e-6, "")


@pytest.mark.parametrize(("p", "at_floor"), [(0.01, True), (0.0101, False), (0.02, False)])
def test_review_names_the_calibration_floor(p: float, at_floor: bool) -> None:
    why = judge(row("a", p, True), 0.5, fdr=0.01, floor=0.01, count=51).why
    assert ("at the calibration floor 0.01, too coarse for 51 tests" in why) is at_floor


def test_what_a_score_rests_on_is_said_with_the_verdict() -> None:
    lossy = replace(row("a", 0.02, True), reason="Judged as a lossy file")
    assert judge(lossy, 0.01, fdr=0.05, floor=0.01, count=2).why == "Judged as a lossy file"
    why = judge(lossy, 0.2, fdr=0.05, floor=0.01, count=2).why
    assert why == "q = 0.2 is above the FDR 0.05. Judged as a lossy file"


def test_groups_by_what_an_expression_finds() -> None:
    assert grouping("")("a/b/1.png") == "a/b"
    whole, first = grouping(r"clip\d+"), grouping(r"(clip\d+)_(\d+)")
    assert [whole("x/clip12_3.png"), first("x/clip12_3.png")] == ["clip12", "clip12"]
    assert [whole("x/y.png"), first("x/y.png")] == ["x", "x"]
    assert grouping("clip(a)?")("clip") == ""
    with pytest.raises(UsageError, match=r"'\(' is no regular expression"):
        grouping("(")


def test_prefix_test_finds_a_folder_of_weak_evidence() -> None:
    judged = [(f"hot/{i}", True, False) for i in range(10)]
    judged += [(f"cold/{i}", False, False) for i in range(90)]
    judged += [(f"mild/{i}", i < 2, i < 2) for i in range(50)]
    tests = {t.prefix: t for t in prefix_tests(judged, 0.02)}
    assert tests["hot"].q < 1e-3
    assert tests["hot"].p == pytest.approx(betabinom.pmf(10, 10, 0.08, 3.92))
    assert tests["cold"].q == 1.0
    mild = tests["mild"]
    assert (mild.scanned, mild.attributed, mild.leaks) == (50, 2, 2)
    assert mild.p == pytest.approx(1 - 0.98**50 - 50 * 0.02 * 0.98**49)  # the binomial is worse
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
