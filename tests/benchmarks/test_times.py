"""Figures of what fits and the suite take are read as they were said."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import fit_time, suite

LOG = """
== system parts: 41 s
== environment: 97 s
All checks passed!
=============== 3060 passed, 17 skipped, 2 warnings in 812.40s (0:13:32) ================
== checks: 900 s
== whole: 1039 s
"""


def test_of_a_run_of_ci() -> None:
    assert suite.figures(LOG) == {
        "system_parts_seconds": 41, "environment_seconds": 97, "checks_seconds": 900,
        "whole_seconds": 1039, "seconds": 1039, "tests_seconds": 812.4, "passed": 3060,
        "skipped": 17,
    }  # fmt: skip
    assert suite.figures("== environment: 9 s\nE\n") == {"environment_seconds": 9, "seconds": None}


def test_ci_says_its_parts() -> None:
    script = (Path(suite.ROOT) / ".ci" / "run").read_text(encoding="utf-8")
    said = re.findall(r'^part "?([a-z ]+)"?$', script, re.MULTILINE)
    assert said == ["system parts", "environment", "checks"]
    assert "make test " in script


def test_of_a_fit() -> None:
    point = {"fit_cpu_s": 265.0, "accuracy": {"real": 1.0, "lsgan": 0.98}}
    assert fit_time.figures(point) == {
        "default_cpu_s": 265.0, "default_accuracy_mean": 0.99, "default_accuracy_min": 0.98,
    }  # fmt: skip
