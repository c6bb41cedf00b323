"""Decisions over a scan, its summary and its exit code, to the last field."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise, summary_line, verdict
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs

#: Brightness, and by the null of DarkIsOurs p: 0.001 three times, then 0.18 and above.
LEVELS = {"own/1": 5, "own/2": 6, "own/3": 7, "real/1": 128, "real/2": 200, "weak/1": 50}


def outcome_of(
    folder: Path, nulls: int = 999, keys: Sequence[str] = tuple(LEVELS), **changes: object
) -> ScanOutcome:
    for key, level in ((key, LEVELS[key]) for key in keys):
        file = folder / f"{key}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file)
    request = ScanPlan([open_target(str(folder))], workers=0, **changes)  # type: ignore[arg-type]
    return run_scan(request, [DarkIsOurs(nulls=nulls)])


def test_q_at_the_rate_itself_is_significant(tmp_path: Path) -> None:
    # Four of six at p = 0.001: q = 0.0015 each.
    at_it = outcome_of(tmp_path, fdr=0.0015)
    assert len(at_it.of("leak")) == 4
    assert sum(test.leaks for tests in at_it.prefixes.values() for test in tests) == 4
    below = outcome_of(tmp_path, fdr=0.00149)
    assert (len(below.of("leak")), len(below.of("review"))) == (0, 4)


def test_findings_carry_their_q_in_listing_order(tmp_path: Path) -> None:
    findings = list(outcome_of(tmp_path).findings)
    assert [finding.row.key.removesuffix(".png") for finding in findings] == sorted(LEVELS)
    p = np.array([finding.row.p for finding in findings])
    assert [finding.q for finding in findings] == pytest.approx(
        [0.0015] * 3 + [p[3] * 6 / 5, p[4], 0.0015]
    )


def test_what_an_attributor_can_call_follows_from_its_own_null(tmp_path: Path) -> None:
    outcome_of(tmp_path)
    request = ScanPlan([open_target(str(tmp_path))], workers=0)
    outcome = run_scan(request, [DarkIsOurs(name="a"), DarkIsOurs(name="b", nulls=9)])
    found = [(finding.row.attributor, finding.verdict) for finding in outcome.findings]
    assert found.count(("a/1", "leak")) == 4  # 999 null scores
    assert found.count(("b/1", "review")) == 4  # 9
    assert len(found) == 12


def test_the_last_line_says_it_all(tmp_path: Path) -> None:
    outcome = replace(outcome_of(tmp_path), seconds=1.26, reused=2)
    assert summary_line(outcome) == (
        "6 scored, 4 leaks, 0 for review, 1 groups called, 0 suppressed, 0 skipped, 0 failed, "
        "2 unchanged in 1.3 s; complete: true\n"
        "6 of 6 images scanned. The fewest leaks that this scan could have called are 1 "
        "(6 tests, smallest p 0.001, FDR 0.01).\n"
    )


def test_what_is_suppressed_keeps_its_verdict(tmp_path: Path) -> None:
    asked: list[str] = []

    def allow(row: Row) -> str:
        asked.append(row.key)
        return "ours, and allowed" if "own/1" in asked[-1] else ""

    findings = {f.row.key: f for f in outcome_of(tmp_path, suppress=allow).findings}
    assert not any("real" in key for key in asked)  # what is clear needs no excuse
    allowed, other = findings["own/1.png"], findings["own/2.png"]
    assert (allowed.verdict, allowed.why) == (other.verdict, other.why) == ("leak", "")
    assert (allowed.q, other.q) == (pytest.approx(0.0015), pytest.approx(0.001 * 5 / 3))
    assert (allowed.suppressed, other.suppressed) == ("ours, and allowed", "")


def test_prefixes_are_tested_at_the_worst_rate_of_foreign_images(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    (tests,) = outcome.prefixes.values()
    counted = {t.prefix: (t.scanned, t.attributed, t.leaks) for t in tests}
    assert counted == {"own": (3, 3, 3), "real": (2, 0, 0), "weak": (1, 1, 1)}
    assert tests[0].expected == pytest.approx(3 * 0.01)  # photos, not the 1.0 of own images
    grouped = outcome_of(tmp_path, group="[0-9]")
    assert [t.prefix for t in next(iter(grouped.prefixes.values()))] == ["1", "2", "3"]


def test_a_scan_says_when_its_calibration_is_too_coarse(tmp_path: Path) -> None:
    coarse = outcome_of(tmp_path, nulls=9, fdr=0.01)
    (warning,) = coarse.warnings
    assert "too coarse for 6 tests" in coarse.of("review")[0].why
    assert "p = 0.1 cannot reach FDR 0.01 for single images among 6; not even all" in warning
    (warning,) = outcome_of(tmp_path, nulls=99, fdr=0.014).warnings  # four: q = 0.015
    assert warning.endswith("at least 5 equally strong ones are needed together.")
    assert outcome_of(tmp_path, nulls=999, fdr=0.01).warnings == []
    (warning,) = outcome_of(tmp_path / "two", 9, ("own/1", "real/1"), fdr=0.15).warnings
    assert "among 2; at least 2 equally strong" in warning
    # Nothing is for review: nothing was missed for want of calibration images.
    assert outcome_of(tmp_path / "none", 9, ("real/1", "real/2"), fdr=0.01).warnings == []
    # At most one is needed: nothing to warn of, although something is for review.
    assert outcome_of(tmp_path, nulls=999, fdr=0.006).warnings == []


def test_the_summary_to_the_last_field(tmp_path: Path) -> None:
    outcome = replace(outcome_of(tmp_path), seconds=1.23456, command="flipadops scan", reused=2)
    (name,) = outcome.cards
    (tests,) = outcome.prefixes.values()
    assert summarise(outcome) == {
        "verdict": "leak", "complete": True, "interrupted": False, "signal": 0,
        "targets": [str(tmp_path)], "scored": 6, "leak": 4, "review": 0, "accepted": 0, "clear": 2,
        "groups": 1,
        "suppressed": 0, "named_alone": 0, "reused": 2, "screened": 0, "stages": {}, "skipped": 0,
        "skipped_by_reason": {}, "failed": 0, "not_converged": 0, "broken": [], "fdr": 0.01,
        "coverage": {"scanned": 6, "failed": 0, "skipped": {}, "no_images": 0},
        "coverage_said": "6 of 6 images scanned", "tests": {name: 6}, "max_skipped": 0.5,
            "listed": 0, "sample_said": "", "over_time": None, "over_time_said": "",
        "power": "The fewest leaks that this scan could have called are 1 (6 tests, smallest p "
        "0.001, FDR 0.01)",
        "max_errors": 0, "size_rule": "reject", "selection": outcome.request.selection.describe(),
        "group": "", "started": outcome.started, "seconds": 1.235,
        "attributors": {
            name: {
                "sha256": "a" * 64, "generator": "night/3", "equivalence_class": ["night/3"],
                "final_layer_sha256": "b" * 64, "threshold": 0.2, "p_floor": 0.001,
                "basis": outcome.cards[name].basis, "second_witness": "",
            }
        },
        "prefixes": {name: [vars(test) for test in tests]},
        "warnings": [], "command": "flipadops scan", "code_version": __version__,
    }  # fmt: skip


def test_verdict_and_exit_code(tmp_path: Path) -> None:
    found = outcome_of(tmp_path)
    codes = {how: exit_code(found, how) for how in ("leak", "review", "never")}  # type: ignore[arg-type]
    assert (verdict(found), codes) == ("leak", {"leak": 3, "review": 3, "never": 0})
    weak = outcome_of(tmp_path, fdr=1e-4)
    codes = {how: exit_code(weak, how) for how in ("leak", "review", "never")}  # type: ignore[arg-type]
    assert (verdict(weak), codes) == ("review", {"leak": 0, "review": 3, "never": 0})
    assert summarise(weak)["review"] == 4


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_what_is_incomplete_is_never_clean(tmp_path: Path, stop: signal.Signals) -> None:
    outcome_of(tmp_path)
    request = ScanPlan([open_target(str(tmp_path / "real"))], workers=0)
    clean = run_scan(request, [DarkIsOurs()])
    assert (verdict(clean), exit_code(clean)) == ("clean", 0)
    broken = replace(clean, broken=["The listing broke off."])
    assert (verdict(broken), exit_code(broken)) == ("incomplete", 4)
    stopped = replace(clean, signal=int(stop))
    assert (verdict(stopped), exit_code(stopped)) == ("incomplete", 128 + stop)
    empty = replace(clean, findings=[])
    assert (verdict(empty), exit_code(empty)) == ("incomplete", 5)
