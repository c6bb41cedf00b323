"""The last line of a scan, and its skips by reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from flipad_ops.scanning.outcome.next_steps import next_step, skips_said
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

HTML, JSONL = ("html", Path("r.html")), ("jsonl", Path("run.jsonl"))


def scan(folder: Path, own: int = 0, other_size: int = 0, others: int = 4) -> ScanOutcome:
    for index in range(own + others):
        (folder / f"{index}.png").write_bytes(png(0.05 if index < own else 0.7, index))
    for index in range(other_size):
        (folder / f"large{index}.png").write_bytes(png(0.7, index, size=9 + index))
    (folder / "notes\x1b.txt").write_text("no image")
    return run_scan(ScanPlan([open_target(str(folder))], workers=0), [DarkIsOurs()])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([("table", None)], "scan again with -o html=report.html -o jsonl=run.jsonl"),
        ([JSONL], "flipadops report run.jsonl -o html=report.html; flipadops verify run.jsonl;"),
        ([HTML], "open r.html; what is known"),
        ([HTML, JSONL], "open r.html; flipadops verify run.jsonl; what is known"),
    ],
    ids=["table", "jsonl", "html", "both"],
)
def test_findings(written: list[tuple[str, Path | None]], said: str, tmp_path: Path) -> None:
    assert next_step(scan(tmp_path, own=5), written).startswith(said)


def test_nothing_found(tmp_path: Path) -> None:
    outcome = scan(tmp_path)
    assert next_step(outcome, []) == "-v lists what was skipped, by reason"
    outcome = scan(tmp_path, other_size=2)
    assert "--size-rule search" in next_step(outcome, [])
    outcome.signal = 15
    assert next_step(outcome, []) == ""


def test_skips_by_reason(tmp_path: Path) -> None:
    first, second = skips_said(scan(tmp_path, other_size=5))
    assert first.startswith("skipped 5: 9x9 pixels, expected 8x8.")
    assert first.endswith("(large0.png, large1.png, large2.png, ...)")
    assert second.startswith("skipped 1: No supported image format")
    assert second.endswith("(notes\\x1b.txt)")
