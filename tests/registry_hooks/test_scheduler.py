"""The scheduler's starts, with real processes in place of scans."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flipad_ops.common.child_process import PARENT_PIPE
from registry_hooks import scheduler as module
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.scan_run import run_scan
from registry_hooks.scheduler import ScanScheduler
from registry_hooks.schedules import Schedule
from registry_hooks.schema import ENDED

HOURLY = Schedule("hourly", "0 * * * *", ("x",), keep=2)


class Runs:
    """A scheduler in a thread whose scans are counted, each as long as `hold` is set."""

    def __init__(self, table: ScanQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LOOK", 0.05)
        self.table, self.stop, self.hold = table, threading.Event(), threading.Event()
        self.count = self.now = self.most = 0
        self.lock = threading.Lock()
        scheduler = ScanScheduler(table, [HOURLY], Path("/logs"), self.stop, run=self._run)
        self.thread = threading.Thread(target=scheduler.run)

    def _run(self, table: ScanQueue, schedule: Any, start: Any, *_: Any) -> None:
        with self.lock:
            self.count += 1
            self.now += 1
            self.most = max(self.most, self.now)
        while self.hold.is_set() and not self.stop.is_set():
            time.sleep(0.01)
        table.end(start, exit_code=0)
        with self.lock:
            self.now -= 1

    def due(self, ago: float = 0.0) -> None:
        """Make the schedule due since some seconds."""
        row = self.table.times()["hourly"]
        self.table.set_next("hourly", row.next_run, time.time() - ago)


def wait(reached: Callable[[], object]) -> None:
    while not reached():
        time.sleep(0.01)


@pytest.fixture
def runs(work: FitQueue, monkeypatch: pytest.MonkeyPatch) -> Any:
    table = ScanQueue(work.sessions)
    table.sync([HOURLY])
    runs = Runs(table, monkeypatch)
    yield runs
    runs.stop.set()
    if runs.thread.ident:
        runs.thread.join()


def test_one_catch_up_after_downtime(runs: Runs) -> None:
    runs.due(ago=50 * 3600)
    runs.thread.start()
    wait(lambda: runs.count)
    wait(lambda: runs.table.times()["hourly"].next_run > time.time())
    time.sleep(0.5)
    assert runs.count == 1


def test_never_two_at_once(runs: Runs) -> None:
    runs.hold.set()
    runs.due()
    runs.thread.start()
    wait(lambda: runs.count)
    # Due again while it runs: this slot is left out.
    wait(lambda: runs.table.times()["hourly"].next_run > time.time())
    runs.due()
    wait(lambda: runs.table.times()["hourly"].next_run > time.time())
    runs.hold.clear()
    wait(lambda: not runs.now)
    runs.due()
    wait(lambda: runs.count == 2)
    assert runs.most == 1


def test_another_process_pauses_and_asks(runs: Runs) -> None:
    runs.table.pause("hourly")
    runs.due()
    runs.thread.start()
    time.sleep(0.5)
    assert runs.count == 0
    runs.table.resume(HOURLY)
    runs.due()
    wait(lambda: runs.count == 1)


SCAN = """
import json, sys
path = next(word[6:] for word in sys.argv if word.startswith("jsonl="))
summary = {"type": "summary", "verdict": "leak", "scored": 9, "leak": 2, "review": 1,
           "coverage_said": "9 of 61 images scanned; 52 skipped for their size", "sample_said": "",
           "power": "The fewest leaks are 3"}
open(path, "w").write(json.dumps(summary) + chr(10))
print("the last word", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
WAIT = "import time; print('waits', flush=True); time.sleep(600)"


def scan(work: FitQueue, logs: Path, *command: str, **changes: Any) -> Any:
    schedule = Schedule("hourly", "0 * * * *", ("x",), **changes)
    table = ScanQueue(work.sessions)
    table.sync([schedule])
    start = table.start("hourly", logs)
    assert start is not None
    stop = threading.Event()
    code = run_scan(table, schedule, start, stop, command=[sys.executable, "-c", *command])
    row = table.newest()[0]
    assert (row.state, row.exit_code) == (ENDED, code)
    return row


def test_findings_and_failures_are_recorded(work: FitQueue, tmp_path: Path) -> None:
    found = scan(work, tmp_path, SCAN, "3")
    assert (found.verdict, found.scored, found.leaks, found.review) == ("leak", 9, 2, 1)
    assert found.reason is None
    assert found.said == (
        "9 of 61 images scanned; 52 skipped for their size. The fewest leaks are 3."
    )
    failed = scan(work, tmp_path, SCAN, "4")
    assert failed.reason.endswith("too much was skipped. the last word")
    killed = scan(work, tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert killed.said is None
    assert "SIGKILL" in killed.reason


def test_a_scan_is_not_told_the_webhooks_secret(
    work: FitQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIPADOPS_WEBHOOK_SECRET", "of sixteen letters")
    monkeypatch.setenv("FLIPADOPS_WEBHOOK_SECRET_FILE", "/run/secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "what a scan needs")
    found = scan(work, tmp_path, "import os; print(sorted(os.environ))")
    seen = (Path(found.folder) / "log.txt").read_text()
    assert "AWS_ACCESS_KEY_ID" in seen
    assert "FLIPADOPS_SCHEDULE" in seen
    assert "FLIPADOPS_WEBHOOK_SECRET" not in seen


def test_the_reason_is_read_from_json_lines(work: FitQueue, tmp_path: Path) -> None:
    words = 'import json, sys; print(json.dumps({"level": "error", "message": "too large"}))'
    found = scan(work, tmp_path, f"{words}; sys.exit(4)")
    assert found.reason.endswith("too much was skipped. too large")


def test_old_folders_are_removed(work: FitQueue, tmp_path: Path) -> None:
    folders = [Path(scan(work, tmp_path, SCAN, "0", keep=2).folder) for _ in range(3)]
    assert sum(folder.exists() for folder in folders) == 2


def test_a_scan_over_its_time_is_interrupted(work: FitQueue, tmp_path: Path) -> None:
    row = scan(work, tmp_path, WAIT, time_limit=0.5)
    assert row.reason == "The scan took longer than 0.5 s."
    assert row.exit_code == -15


def test_what_cannot_be_started_has_a_reason(work: FitQueue, tmp_path: Path) -> None:
    (tmp_path / "scans").write_text("in the way")
    table = ScanQueue(work.sessions)
    table.sync([HOURLY])
    start = table.start("hourly", tmp_path)
    assert start is not None
    assert run_scan(table, HOURLY, start, threading.Event()) is None
    assert "could not be started" in str(table.newest()[0].reason)


@pytest.mark.e2e
def test_a_scan_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    script = (
        "from flipad_ops.common.child_process import end_with_parent; end_with_parent();" + WAIT
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, PARENT_PIPE: "1"},
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"waits\n"
        child.stdin.close()
        assert child.wait() == -9
