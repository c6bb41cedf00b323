"""The quality benchmark's own arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.quality_parts.fdr import FDR, realised_fpr, simulate
from benchmarks.quality_parts.inversions import CachedInverter
from benchmarks.quality_parts.markdown import write_markdown
from benchmarks.quality_parts.measures import columns, interval, tpr_at
from benchmarks.quality_parts.summary import row_of, summarise
from flipad_ops.attribution.fitting import FitResult
from flipad_ops.generators import SplitGenerator


def test_columns_by_hand() -> None:
    own, foreign = np.array([0.1, 0.2, 0.3, 1.5]), np.array([0.9, 1.0, 1.1, 2.0])
    found = columns(own, foreign, threshold=1.0)
    assert found["fnr"] == 0.25
    assert found["fpr"] == 0.5
    assert found["accuracy"] == 1 - 0.75 / 2
    assert found["auc"] == 13 / 16
    assert math.isnan(found["tpr_at_fpr_1"])
    assert tpr_at(own, foreign, 0.25) == 3 / 4


def test_interval_is_students() -> None:
    found = interval([0.9, 0.95, 1.0])
    assert found["mean"] == pytest.approx(0.95)
    assert found["high"] - found["mean"] == pytest.approx(4.3027 * 0.05 / math.sqrt(3), rel=1e-4)
    assert math.isnan(interval([0.9])["low"])


def test_rows_and_summary(tmp_path: Path) -> None:
    names = {"dcgan-3": 0.97, "dcgan-4": 0.99, "dcgan-0-tuned": 0.6, "real": 1.0, "vae-0": 0.96}
    assert [row_of(name) for name in names] == [
        "other seed", "other seed", "fine-tuned", "real", "vae",
    ]  # fmt: skip
    good = columns(np.zeros(9), np.ones(9), 0.5)
    tests = {name: {**good, "accuracy": value} for name, value in names.items()}
    perturbed = {"jpeg-90": {**good, "accuracy": 0.9}, "blur-3": {**good, "accuracy": 0.8}}
    record = {"target": 0, "fit_cpu_s": 1.0, "tests": tests, "perturbed": perturbed}
    rows = [{**record, "method": method} for method in ("ours", "ours+")]
    summary = summarise(rows)
    assert summary["table1_accuracy_mean"] == pytest.approx(0.98)
    assert summary["table1_accuracy_min"] == 0.96
    assert summary["table2_accuracy_mean"] == pytest.approx(0.98)
    assert summary["table3_accuracy_min"] == 0.8
    assert summary["jpeg90_accuracy"] == 0.9
    assert summary["fdr_realised"] is None
    head = {"command": "x", "machine": "y", "sizes": {"own": 1}}
    write_markdown({"summary": summary, **head, "rows": rows}, tmp_path / "page.md")
    assert "| ours, first version | 100.0 | 96.0 |" in (tmp_path / "page.md").read_text()


def test_remembered_inversions_are_the_inverters(
    tmp_path: Path, toy_fit: FitResult, toy_split: SplitGenerator
) -> None:
    attributor = toy_fit.attributor
    parts = (attributor.layer, attributor.output_map, attributor.anchor)
    remembering = CachedInverter(tmp_path, *parts, attributor.settings.inversion)
    images = toy_split.sample(3, seed=5)
    plain = attributor.invert(images)
    remembering.invert(images[:1])
    for _ in range(2):
        found = remembering.invert(images)
        torch.testing.assert_close(found.z, plain.z, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.residual, plain.residual, rtol=1e-4, atol=1e-5)


def test_simulated_scans_hold_their_level_only_when_nulls_match() -> None:
    source = np.random.default_rng(0)
    own = source.normal(-6, 0.5, 300)
    null = {"a": source.normal(size=400), "b": source.normal(0.5, 1, 400)}
    same = {"a": source.normal(size=400), "b": source.normal(0.5, 1, 400)}
    found = simulate(null, same, own, threshold=-4.0, seed=0)
    assert all(cell["fdr"] <= FDR for cell in found.values())
    assert found["0.1"]["power"] > 0.9
    assert all(
        level["inside"] for rows in realised_fpr(null, same).values() for level in rows.values()
    )
    worse = {name: scores - 2 for name, scores in same.items()}
    assert not realised_fpr(null, worse)["a"]["0.05"]["inside"]
