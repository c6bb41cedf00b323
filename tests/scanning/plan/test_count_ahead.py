"""Totals that are known while a scan runs, and counts that go on with its ledger."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.plan.count_ahead import count_ahead
from flipad_ops.storage import open_target
from flipad_ops.storage.selection import Selection
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    root.mkdir()
    for index in range(12):
        (root / f"{index}.png").write_bytes(png(0.05 if index < 3 else 0.7, index))
    return root


@pytest.mark.parametrize(
    ("selection", "total"),
    [(Selection(), 12), (Selection(exclude=("1*.png",)), 9), (Selection(limit=5), 5)],
    ids=["all", "exclude", "limit"],
)
def test_a_folder_is_counted(folder: Path, selection: Selection, total: int) -> None:
    found, counted = list[int](), threading.Event()

    def expect(count: int) -> None:
        found.append(count)
        counted.set()

    count_ahead(ScanPlan([open_target(str(folder))], selection=selection), expect)
    assert counted.wait(30)
    assert found == [total]


@pytest.mark.parametrize("text", ["s3://bucket/x", "manifest"], ids=["bucket", "manifest"])
def test_other_places_are_not_asked_twice(text: str, tmp_path: Path) -> None:
    if text == "manifest":
        (tmp_path / "m.csv").write_text("key\na.png\n")
        text = str(tmp_path / "m.csv")
    before = threading.active_count()
    count_ahead(ScanPlan([open_target(text)]), lambda total: pytest.fail("counted"))
    assert threading.active_count() == before


def test_what_a_ledger_knew_counts(folder: Path, tmp_path: Path) -> None:
    plan = ScanPlan([open_target(str(folder))], workers=0)
    for new in (0, 2):
        for index in range(new):
            (folder / f"new{index}.png").write_bytes(png(0.05, 100 + index))
        said: list[tuple[int, int]] = []
        run_scan(
            plan, [DarkIsOurs()], lambda *now: said.append(now),  # noqa: B023
            ledger=SqliteLedger(tmp_path / "scan.db"),
        )  # fmt: skip
        assert said[-1] == (12 + new, 3 + new)
