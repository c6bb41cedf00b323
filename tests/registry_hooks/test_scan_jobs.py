"""Who may start a scan, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import ENDED, LOST, RUNNING
from tests.registry_hooks.postgres import postgres

HOURLY = Schedule("hourly", "0 * * * *", ("x",))
NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC).timestamp()
LOGS = Path("/logs")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(work: FitQueue, clock: Clock) -> ScanQueue:
    table = ScanQueue(work.sessions, lease=60, clock=clock)
    table.sync([HOURLY])
    return table


def test_a_slot_is_started_once_and_never_beside_another(table: ScanQueue) -> None:
    slot = table.times()["hourly"].next_run
    assert slot == NOON + 1800
    start = table.start("hourly", LOGS, slot)
    assert start is not None
    assert table.start("hourly", LOGS, slot) is None
    assert table.start("hourly", LOGS) is None, "not by hand either"
    assert table.end(start, exit_code=3, leaks=2)
    assert table.start("hourly", LOGS, slot) is None, "ran just now"
    assert table.start("hourly", LOGS) is not None
    scan = table.newest()[-1]
    assert (scan.state, scan.exit_code, scan.leaks) == (ENDED, 3, 2)


def test_pause_and_resume_leave_out_what_was_paused(table: ScanQueue, clock: Clock) -> None:
    slot = table.times()["hourly"].next_run
    assert table.pause("hourly")
    assert not table.pause("hourly")
    assert table.start("hourly", LOGS, slot) is None
    clock.now += 10 * 3600
    assert table.resume(HOURLY)
    assert not table.resume(HOURLY)
    assert table.times()["hourly"].next_run == clock.now + 1800


def test_moving_on_from_a_slot_respects_what_changed_meanwhile(
    table: ScanQueue, clock: Clock
) -> None:
    slot = table.times()["hourly"].next_run
    table.set_next("hourly", slot - 1, 5.0)
    assert table.times()["hourly"].next_run == slot
    table.set_next("hourly", slot, slot + 3600)
    assert table.times()["hourly"].next_run == slot + 3600


def test_a_lost_scan_is_caught_up_but_not_for_ever(table: ScanQueue, clock: Clock) -> None:
    for attempt in range(3):
        row = table.times()["hourly"]
        clock.now = max(clock.now, row.next_run)
        start = table.start("hourly", LOGS, row.next_run)
        assert start is not None
        table.set_next("hourly", row.next_run, clock.now + 3600)
        assert table.bury_lost() == []
        clock.now += 61
        assert table.bury_lost() == ["hourly"]
        assert not table.heartbeat(start)
        assert not table.end(start, exit_code=0)
        due = table.times()["hourly"].next_run <= clock.now
        assert due == (attempt == 0)
    assert {scan.state for scan in table.newest()} == {LOST}


def test_a_beating_scan_keeps_its_schedule(table: ScanQueue, clock: Clock) -> None:
    start = table.start("hourly", LOGS)
    assert start is not None
    for _ in range(5):
        clock.now += 40
        assert table.heartbeat(start)
        assert table.bury_lost() == []
    assert table.newest()[0].state == RUNNING


def test_the_configuration_says_what_there_is(table: ScanQueue, clock: Clock) -> None:
    table.pause("hourly")
    table.sync([HOURLY])
    assert table.times()["hourly"].paused
    table.sync([Schedule("hourly", "15 * * * *", ("x",))])
    assert table.times()["hourly"].next_run == NOON + 2700
    table.sync([Schedule("other", "0 * * * *", ("x",))], remove=False)
    assert set(table.times()) == {"hourly", "other"}
    table.sync([])
    assert table.times() == {}


@pytest.fixture
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.e2e
def test_it_is_the_same_on_postgresql(server: str, clock: Clock) -> None:
    work = FitQueue(server)
    tables = [ScanQueue(work.sessions, clock=clock) for _ in range(2)]
    for table in tables:
        table.sync([HOURLY])
    slot = tables[0].times()["hourly"].next_run
    starts = [table.start("hourly", LOGS, slot) for table in tables]
    assert [start is not None for start in starts] == [True, False]
    assert starts[0] is not None
    assert tables[1].end(starts[0], again=True, exit_code=143)
    assert tables[0].times()["hourly"].next_run == clock.now
    work.close()
