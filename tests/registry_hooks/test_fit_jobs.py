"""One process, and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from registry_hooks import fit_jobs
from registry_hooks.fit_jobs import KEEP_DELIVERIES, FitQueue
from registry_hooks.jobs import Backoff
from registry_hooks.schema import DONE, FAILED, QUEUED, RUNNING, SKIPPED

CONFIG = "c" * 64


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(tmp_path: Path, clock: Clock) -> Iterator[FitQueue]:
    table = FitQueue(
        f"sqlite:///{tmp_path}/work.db", lease=60, backoff=Backoff(attempts=3), clock=clock
    )
    yield table
    table.close()


def test_a_version_is_entered_once_per_configuration(table: FitQueue) -> None:
    assert table.enqueue([("gan", 1), ("gan", 2)], CONFIG) == 2
    assert table.enqueue([("gan", 1)], CONFIG) == 0
    assert table.enqueue([("gan", 1)], "d" * 64) == 1
    assert table.counts()[QUEUED] == 3


def test_claims_go_in_order_and_end(table: FitQueue, clock: Clock) -> None:
    for version in (1, 2):
        table.enqueue([("gan", version)], CONFIG)
        clock.now += 1
    table.enqueue([("other", 1)], "d" * 64)
    first, second = table.claim("a", CONFIG), table.claim("b", CONFIG)
    assert first is not None
    assert second is not None
    assert (first.uri, second.uri) == ("models:/gan/1", "models:/gan/2")
    assert table.claim("c", CONFIG) is None  # the other configuration is not ours


def test_a_finished_row_stays_finished(table: FitQueue) -> None:
    table.enqueue([("gan", 1)], CONFIG)
    work = table.claim("a", CONFIG)
    assert work is not None
    assert table.finish(work, DONE, attributor="gan-attributor/1")
    assert not table.finish(work, FAILED, reason="too late")
    assert table.claim("a", CONFIG) is None
    row = table.rows()[0]
    assert (row.state, row.attributor, row.owner) == (DONE, "gan-attributor/1", None)


def test_an_expired_lease_is_taken_over_and_its_holder_can_write_no_more(
    table: FitQueue, clock: Clock
) -> None:
    table.enqueue([("gan", 1)], CONFIG)
    lost = table.claim("a", CONFIG)
    assert lost is not None
    clock.now += 59
    assert table.heartbeat(lost)
    clock.now += 59
    assert table.claim("b", CONFIG) is None
    clock.now += 2
    taken = table.claim("b", CONFIG)
    assert taken is not None
    assert taken.attempts == 2
    assert not table.heartbeat(lost)
    assert not table.finish(lost, DONE)
    assert not table.release(lost)
    assert table.finish(taken, DONE)


def test_work_that_loses_every_worker_becomes_a_dead_letter(table: FitQueue, clock: Clock) -> None:
    table.enqueue([("gan", 1), ("gan", 2)], CONFIG)
    for _ in range(3):
        assert table.claim("a", CONFIG) is not None
        assert table.claim("a", CONFIG) is not None
        clock.now += 61
    assert table.claim("a", CONFIG) is None
    rows = table.rows()
    assert {(row.state, row.error) for row in rows} == {(FAILED, "WorkerLost")}
    assert "3 attempts" in str(rows[0].reason)


def test_retries_wait_longer_each_time_and_end_with_the_reason(
    table: FitQueue, clock: Clock
) -> None:
    table.enqueue([("gan", 1)], CONFIG)
    waits = []
    for _ in range(3):
        work = table.claim("a", CONFIG)
        assert work is not None
        state = table.retry(work, "The disk is full.", "OSError")
        waits.append(table.rows()[0].due - clock.now)
        clock.now += 4000
    assert state == FAILED
    assert 15 <= waits[0] <= 30 < 60 <= waits[1] <= 120
    assert table.rows()[0].reason == "The disk is full."
    assert table.claim("a", CONFIG) is None


def test_backoff_is_capped_and_spread() -> None:
    backoff = Backoff(first=10, factor=4, longest=100)
    assert [backoff.delay(n, 1.0) for n in (1, 2, 3, 9)] == [10, 40, 100, 100]
    assert backoff.delay(2, 0.0) == 20


def test_released_work_costs_no_attempt(table: FitQueue) -> None:
    table.enqueue([("gan", 1)], CONFIG)
    for _ in range(5):
        work = table.claim("a", CONFIG)
        assert work is not None
        assert work.attempts == 1
        assert table.release(work)


def test_a_delivery_counts_once(table: FitQueue, clock: Clock) -> None:
    assert table.receive("d1", [("gan", 1)], CONFIG)
    assert not table.receive("d1", [("gan", 2)], CONFIG)
    assert table.receive("d2", [("gan", 1)], CONFIG)
    assert table.counts() == {QUEUED: 1, RUNNING: 0, DONE: 0, FAILED: 0, SKIPPED: 0}
    clock.now += KEEP_DELIVERIES + 1
    assert table.receive("d3", [], CONFIG)
    assert table.receive("d1", [], CONFIG)  # forgotten; the receiver's window refuses it


def test_the_reconciler_moves_only_what_it_saw(table: FitQueue, clock: Clock) -> None:
    table.enqueue([("gan", 1)], CONFIG)
    seen = table.rows()[0]
    clock.now += 1
    work = table.claim("a", CONFIG)
    assert work is not None
    assert not table.move(seen, SKIPPED, reason="deleted")
    table.retry(work, "once")
    seen = table.rows()[0]
    assert table.move(seen, QUEUED, reason=None)
    row = table.rows()[0]
    assert (row.attempts, row.due) == (0, clock.now)


@pytest.mark.parametrize("page", [1, 3, 4, 100])
def test_reconciling_reads_the_table_by_pages(
    page: int, table: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year's fits as one list held up every answer for a second."""
    monkeypatch.setattr(fit_jobs, "PAGE", page)
    table.enqueue([("a/b", version) for version in (1, 2)], CONFIG, state=DONE, attributor="x/1")
    table.enqueue([("gan", version) for version in (1, 2)], "d" * 64)
    assert [(each.model, each.version, each.config[0]) for each in table.known()] == [
        ("a/b", 1, "c"), ("a/b", 2, "c"), ("gan", 1, "d"), ("gan", 2, "d"),
    ]  # fmt: skip
    first = next(table.known())
    assert (first.state, first.attributor, first.error) == (DONE, "x/1", None)
    assert table.move(first, QUEUED)
    assert not table.move(first, QUEUED)


def test_a_url_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    for url in ("nonsense", "fancydb://host/x", f"sqlite:///{tmp_path}/missing/work.db"):
        with pytest.raises(UsageError):
            FitQueue(url)
