"""The domains benchmark's own arithmetic and pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import domains
from benchmarks.domains_frame.intervals import accuracy_interval, auc_interval
from benchmarks.domains_frame.page import page
from flipad_ops.detection import auc


def test_intervals_hold_what_was_measured_and_stay_open_at_the_ends() -> None:
    low, high = accuracy_interval(295, 300, 140, 150)
    assert low < (295 / 300 + 140 / 150) / 2 < high
    assert accuracy_interval(300, 300, 150, 150)[0] < 0.99
    for value in (0.5, 0.9, 1.0):
        below, above = auc_interval(value, 300, 150)
        assert below <= value <= above
        assert below < 1
    wide, narrow = auc_interval(0.9, 30, 30), auc_interval(0.9, 3000, 3000)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5


@pytest.mark.parametrize("shift", [0.5, 2.0, 3.0])
def test_the_auc_interval_covers(shift: float) -> None:
    from scipy.stats import norm

    truth = float(norm.cdf(shift / np.sqrt(2)))
    source = np.random.default_rng(0)
    runs = [
        auc_interval(auc(source.normal(size=60), source.normal(shift, 1, 40)), 60, 40)
        for _ in range(300)
    ]
    assert np.mean([low <= truth <= high for low, high in runs]) > 0.92


def record(accuracy: float) -> dict[str, object]:
    found = {"accuracy": accuracy, "accuracy_95": [0.8, 1.0], "auc": 0.9, "auc_95": [0.8, 1.0]}
    return {
        "title": "A table", "note": "Made up.", "seed": 0, "budget": 1.0, "shape": [13],
        "layer": "linear", "sizes": {"own test": 30, "test real": 20}, "unseen": ["real"],
        "methods": {"ours": {"real": found, "all": found}}, "unconverged": 0.0,
        "seconds_per_sample": 0.01, "peak_mb": 700, "material_s": 1.0, "fit_s": 2.0,
        "extra": {"clips": "3 of 3"},
    }  # fmt: skip


def test_rows_not_run_again_stay(tmp_path: Path) -> None:
    domains.merge({"a": record(0.9), "b": record(0.8)}, tmp_path)
    domains.merge({"b": record(0.7)}, tmp_path)
    rows = json.loads((tmp_path / "domains.json").read_text())["rows"]
    assert [row["methods"]["ours"]["all"]["accuracy"] for row in rows.values()] == [0.9, 0.7]
    text = (tmp_path / "domains.md").read_text()
    assert text == page(rows, json.loads((tmp_path / "domains.json").read_text())["machine"])
    assert (
        "| [A table](#b) | 13 | 30, 20 | 70.0 (80.0 to 100.0), 0.900 (0.800 to 1.000) | - | - |"
        in text
    )
    assert "| real (never seen) |" in text
    assert "- clips: 3 of 3" in text


def test_every_module_is_a_domain() -> None:
    assert "medical" in domains.domains()
    assert not any(name.startswith("_") for name in domains.domains())
