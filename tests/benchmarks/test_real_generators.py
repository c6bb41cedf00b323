"""The arithmetic of the benchmark of real generators, and what it is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.real_generators import THERE, measured_there, summarise
from benchmarks.real_parts.page import page
from benchmarks.real_parts.subjects import FEWER, SUBJECTS, photographs
from benchmarks.regeneration_parts.field import Field, Row, interval
from benchmarks.regeneration_parts.folders import real_generators


def row(generator: str, kind: str, attributed: int) -> Row:
    return {
        "generator": generator, "kind": kind, "images": 60, "attributed": attributed,
        "attributed_95": interval(attributed, 60), "without_second": 60,
    }  # fmt: skip


def test_the_worst_of_each_kind_is_in_the_summary() -> None:
    rows = [
        row("taef2", "own", 57), row("taef2", "photographs", 0), row("noise1", "own", 60),
        row("noise1", "noise2", 3), row("noise1", "photographs", 5),
        row("noise1", "Fashion-MNIST", 6),
    ]  # fmt: skip
    summary = summarise(rows)
    assert summary["own_found_min"] == summary["taef2_own"] == 0.95
    assert summary["foreign_attributed_max"] == 0.1
    assert summary["siblings_attributed_max"] == 0.05
    assert summary["taef2_photos_attributed"] == 0
    assert summary["generators"] == 2
    assert "| noise1 | noise2 | 60 | 3 | 1.0% to 13.9% | 60 |" in page(
        {"rows": rows, "summary": summary, "machine": "here"}
    )


def test_what_the_other_benchmark_measured_is_read_and_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "regeneration.json"
    assert measured_there(path) == []
    sections = [*THERE, "zoo"]
    rows = [{"section": s, "how": "as made", **row("x", "own", 60)} for s in sections]
    rows += [{"section": "taef2", "how": "JPEG 90", **row("x", "own", 0)}]
    rows += [{"section": "taef2", "how": "as made", "kind": "AUC", "auc": 0.99}]
    path.write_text(json.dumps({"rows": rows}))
    found = measured_there(path)
    assert len(found) == len(THERE)
    assert {each["measured_by"] for each in found} == {"benchmarks.regeneration"}


def test_photographs_come_in_the_shape_of_a_sample_by_origin() -> None:
    made = photographs("fit", (1, 28, 20), 2, seed=1)
    assert made.images.shape[1:] == (1, 28, 20)
    assert made.groups is not None
    assert len(made.images) == len(made.groups) == 2 * len(set(made.groups))
    assert torch.equal(made.images, (made.images * 255).round() / 255)


@pytest.mark.skipif(
    real_generators() is None, reason="FLIPAD_REAL_GENERATORS names no folder of real generators."
)
def test_an_upscaler_is_fitted_on_photographs_and_tested_on_others(tmp_path: Path) -> None:
    subject = SUBJECTS["realesr_animevideov3 x4"]
    settings = subject.settings(Field(tmp_path, 0.2))
    assert settings.regeneration.own < FEWER[1]
    generator = subject.generator(settings)
    assert tuple(generator.sample_shape) == (3, 64, 64)
    assert "pixel shuffle by 4" in str(generator.ending)
    images, facts = subject.tested(4)
    assert images["own"].shape == (4, 3, 64, 64)
    assert facts["own"]["origins"] == 4
