"""The ledger between scans: incremental, resumable, and strict about what it was made for."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.lock import only_one
from flipad_ops.scanning.ledger.open_ledger import open_ledger
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage.selection import Selection
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import Counting, Slow, png, rows


def scan(target: Slow, state: str, *scorers: DarkIsOurs, **fields: object) -> Scanned:
    """Scan and keep the results beyond the ledger's closing."""
    fields = {"workers": 0, "batch_size": 8, **fields}
    request = ScanPlan([target], **fields)  # type: ignore[arg-type]
    with open_ledger(state) as ledger:
        outcome = run_scan(request, scorers, ledger=ledger)
        return Scanned(rows(outcome), outcome.reused, outcome.complete)


@dataclass(frozen=True)
class Scanned:
    rows: list[Row]
    reused: int
    complete: bool


@pytest.fixture(params=["sqlite", "delta"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`--state` for each kind of ledger."""
    return str(tmp_path / "s.db") if request.param == "sqlite" else f"delta://{tmp_path}/ledger"


@pytest.fixture
def target() -> Slow:
    return Slow({f"{i:03d}.png": png(0.05 if i % 5 == 0 else 0.7, i) for i in range(60)})


def test_second_scan_reads_what_changed_and_reports_all(target: Slow, state: str) -> None:
    before = scan(target, state, DarkIsOurs()).rows
    target.reads.clear()
    assert scan(target, state, DarkIsOurs()).rows == before
    assert target.reads == []
    target.objects["001.png"] = png(0.05, 500)
    del target.objects["002.png"]
    target.objects["new.png"] = target.objects["003.png"]
    scorer = Counting()
    outcome = scan(target, state, scorer)
    assert sorted(target.reads) == ["001.png", "new.png"]
    assert scorer.batches == [1]
    assert outcome.reused == 58
    assert [row.key for row in outcome.rows] == list(target.objects)


def test_failed_objects_are_tried_again(target: Slow, state: str) -> None:
    target.broken = frozenset({"007.png"})
    assert not scan(target, state, DarkIsOurs()).complete
    target.broken, target.reads = frozenset(), []
    assert scan(target, state, DarkIsOurs()).complete
    assert target.reads == ["007.png"]


def test_other_files_or_filters_are_refused(target: Slow, state: str) -> None:
    scan(target, state, DarkIsOurs())
    with pytest.raises(StateError, match="filters"):
        scan(target, state, DarkIsOurs(), selection=Selection(limit=3))
    changed = DarkIsOurs()
    changed.card = replace(changed.card, attributor_sha256="d" * 64)
    with pytest.raises(StateError, match="holds scores of dark/1 with other files"):
        scan(target, state, changed)
    with pytest.raises(StateError, match="size rule"):
        scan(target, state, DarkIsOurs(), size_rule="resize")
    assert scan(target, state, DarkIsOurs(), fdr=0.2).complete


def test_a_new_attributor_goes_on_with_the_same_ledger(target: Slow, state: str) -> None:
    """The registry's current version changes; a scheduled scan names the model, not the version."""
    before = scan(target, state, DarkIsOurs()).rows
    later = scan(target, state, DarkIsOurs(name="later"))
    assert later.reused == 0
    assert {row.attributor for row in later.rows} == {"later/1"}
    assert [row.key for row in later.rows] == [row.key for row in before]
    target.reads.clear()
    again = scan(target, state, DarkIsOurs())
    assert again.rows == before
    assert target.reads == []
    del target.objects["001.png"]
    both = scan(target, state, DarkIsOurs(), DarkIsOurs(name="later"))
    assert target.reads == []
    assert len(both.rows) == 2 * len(target.objects)


def test_files_that_are_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no ledger"):
        SqliteLedger(tmp_path / "none.db", must_exist=True)
    (tmp_path / "text.db").write_text("hello, this is a text of some length " * 30)
    with pytest.raises(StateError, match="cannot be used"):
        SqliteLedger(tmp_path / "text.db").begin({})
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(StateError, match="no ledger"):
        SqliteLedger(tmp_path / "other.db").begin({})


def test_names_that_are_not_utf8_survive(state: str) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    target = Slow({name: png(0.05, 1)})
    assert [row.key for row in scan(target, state, DarkIsOurs()).rows] == [name]
    target.reads.clear()
    assert [row.key for row in scan(target, state, DarkIsOurs()).rows] == [name]
    assert target.reads == []


def test_a_ledger_serves_one_scan_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path / "s.db"):
        with pytest.raises(StateError, match="Another scan"), only_one(tmp_path / "s.db"):
            pass
        with only_one(tmp_path / "t.db"), only_one(None):
            pass
    with only_one(tmp_path / "s.db"):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.ledger.lock import only_one
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs

class Deadly(DarkIsOurs):
    left = int(sys.argv[3])
    def score(self, pixels, residual=False):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return super().score(pixels, residual)

request = ScanPlan([open_target(sys.argv[1])], batch_size=5, workers=0)
run_scan(request, [Deadly()], ledger=SqliteLedger(Path(sys.argv[2])))
"""


@pytest.mark.e2e
def test_resume_after_kill_repeats_only_the_batch_in_flight(tmp_path: Path) -> None:
    folder = tmp_path / "found"
    folder.mkdir()
    for index in range(60):
        (folder / f"{index:03d}.png").write_bytes(png(0.05, index))
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "s.db")]
    for batches in (7,):
        ended = subprocess.run([*command, str(batches)], timeout=120, check=False)
        assert ended.returncode == -signal.SIGKILL
    from flipad_ops.storage import open_target

    scorer = Counting()
    request = ScanPlan([open_target(str(folder))], batch_size=5, workers=0)
    outcome = run_scan(request, [scorer], ledger=SqliteLedger(tmp_path / "s.db", must_exist=True))
    assert len(outcome.findings) == 60
    assert outcome.complete
    assert sum(scorer.batches) == 60 - 7 * 5
