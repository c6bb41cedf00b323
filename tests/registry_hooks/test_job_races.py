"""Several processes on one table, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, QUEUED, RUNNING
from tests.registry_hooks.postgres import postgres

pytestmark = pytest.mark.e2e
CONFIG = "c" * 64
RACER = """
import sys
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
table = FitQueue(sys.argv[1])
table.enqueue([("gan", v) for v in range(1, 41)], "c" * 64)
print("ready", flush=True)
sys.stdin.readline()
while (work := table.claim(sys.argv[2], "c" * 64)) is not None:
    print(work.version, flush=True)
    assert table.finish(work, "done", attributor=f"by {sys.argv[2]}")
"""
HOLDER = """
import sys, time
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
table = FitQueue(sys.argv[1], lease=2)
work = table.claim("holder", "c" * 64)
print(work.version, flush=True)
while True:
    table.heartbeat(work)
    time.sleep(0.3)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/work.db"
    else:
        with postgres() as server:
            yield server


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_racing_processes_claim_every_row_exactly_once(url: str) -> None:
    racers = [start(RACER, url, f"racer {n}") for n in range(3)]
    assert [line(racer) for racer in racers] == ["ready"] * 3
    claimed = Counter[str]()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        out, _ = racer.communicate()
        assert racer.returncode == 0
        claimed.update(out.split())
    assert claimed == Counter({str(version): 1 for version in range(1, 41)})
    table = FitQueue(url)
    assert table.counts()[DONE] == 40
    table.close()


def test_a_killed_holder_loses_its_work_only_after_the_lease(url: str) -> None:
    table = FitQueue(url, lease=2)
    table.enqueue([("gan", 1)], CONFIG)
    holder = start(HOLDER, url)
    with holder:
        assert line(holder) == "1"
        assert table.claim("other", CONFIG) is None
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert table.counts()[RUNNING] == 1
    while (work := table.claim("other", CONFIG)) is None:
        time.sleep(0.1)
    assert work.attempts == 2
    assert table.release(work)
    assert table.receive("d-1", [("gan", 1), ("gan", 2)], CONFIG)
    assert not table.receive("d-1", [("gan", 3)], CONFIG)
    assert table.move(table.rows()[0], DONE)
    assert (table.counts()[QUEUED], table.counts()[DONE]) == (1, 1)
    table.close()


STARTER = """
import sys
from pathlib import Path
from registry_hooks.scan_jobs import ScanQueue
scans = ScanQueue(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for slot in range(1, 11):
    scan = scans.start("hourly", Path("/logs"), float(slot))
    if scan is not None:
        print(slot, flush=True)
        assert scans.end(scan, exit_code=0)
"""


def test_racing_processes_start_a_slot_once_and_no_two_scans_at_once(url: str) -> None:
    scans = ScanQueue(url)
    scans.sync([Schedule("hourly", "0 * * * *", ("x",))])
    starters = [start(STARTER, url) for _ in range(3)]
    assert [line(starter) for starter in starters] == ["ready"] * 3
    started = Counter[str]()
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    for starter in starters:
        out, _ = starter.communicate()
        assert starter.returncode == 0
        started.update(out.split())
    assert set(started.values()) == {1}
    runs = sorted((scan.started or 0, scan.ended or 0) for scan in scans.newest())
    assert len(runs) == sum(started.values())
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(runs))
    scans.close()
