"""The worker's decisions, with fits that a test ends by hand."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.fit_worker import PERMANENT, FitEnd, FitWorker
from registry_hooks.hook_settings import HookSettings
from registry_hooks.jobs import Backoff
from registry_hooks.schema import DONE, FAILED, QUEUED, SKIPPED, Fit

SETTINGS = HookSettings(poll=0.01)


@dataclass
class StagedFit:
    """Ends as told; `looks` is how often it is polled before, None for never."""

    outcome: FitEnd = field(default_factory=FitEnd)
    looks: int | None = 0
    on_look: Any = None
    log: str = "/logs/x.log"
    stopped: bool = False
    grace: float | None = None

    def poll(self) -> int | None:
        if self.stopped:
            return -9
        if self.on_look is not None:
            self.on_look()
        if self.looks is None:
            return None
        self.looks -= 1
        return 0 if self.looks < 0 else None

    def stop(self, grace: float | None = None) -> None:
        self.stopped, self.grace = True, grace

    def end(self) -> FitEnd:
        return self.outcome


@pytest.fixture
def queued(work: FitQueue) -> FitQueue:
    work.enqueue([("gan", 1)], SETTINGS.config_sha256())
    return work


def run(
    table: FitQueue, fit: StagedFit, settings: HookSettings = SETTINGS, stop: Any = None
) -> Fit:
    worker = FitWorker(table, settings, stop or threading.Event(), start=lambda s, w: fit)
    assert worker.step()
    return table.rows()[0]


def test_an_attributor_is_done(queued: FitQueue) -> None:
    row = run(queued, StagedFit(FitEnd(attributor="gan-attributor/1"), looks=2))
    assert (row.state, row.attributor, row.log) == (DONE, "gan-attributor/1", "/logs/x.log")


def test_a_deleted_version_is_skipped(queued: FitQueue) -> None:
    assert run(queued, StagedFit(FitEnd(kind="GeneratorNotFound", message="-"))).state == SKIPPED


@pytest.mark.parametrize("kind", sorted(PERMANENT))
def test_what_will_not_change_is_a_dead_letter_at_once(queued: FitQueue, kind: str) -> None:
    row = run(queued, StagedFit(FitEnd(kind=kind, message="Because.")))
    assert (row.state, row.error, row.reason) == (FAILED, kind, "Because.")


def test_other_failures_are_tried_again(queued: FitQueue) -> None:
    row = run(queued, StagedFit(FitEnd(kind="Crashed", message="Signal.")))
    assert (row.state, row.attempts, row.reason) == (QUEUED, 1, "Signal.")
    assert row.due > row.updated


def test_stopping_gives_the_work_back_untried(queued: FitQueue) -> None:
    stop = threading.Event()
    fit = StagedFit(looks=None, on_look=stop.set)
    row = run(queued, fit, stop=stop)
    assert fit.stopped
    assert (row.state, row.attempts) == (QUEUED, 0)


def test_a_fit_over_its_time_is_killed_and_tried_again(queued: FitQueue) -> None:
    fit = StagedFit(looks=None)
    row = run(queued, fit, HookSettings(time_limit=0.01))
    assert fit.stopped
    assert (row.state, row.error) == (QUEUED, "TimeLimit")


def test_work_lost_to_another_worker_is_dropped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/w.db"
    table = FitQueue(url, lease=0.5)
    other = FitQueue(url, clock=lambda: time.time() + 60)
    table.enqueue([("gan", 1)], SETTINGS.config_sha256())
    claims: list[Fit | None] = []

    def take_over() -> None:
        if not claims or claims[-1] is None:
            claims.append(other.claim("other", SETTINGS.config_sha256()))

    fit = StagedFit(looks=None, on_look=take_over)
    row = run(table, fit)
    assert fit.stopped
    assert (row.owner, row.attempts) == ("other", 2)
    table.close()
    other.close()


def test_a_database_without_answer_stops_the_fit_before_the_lease_ends(
    queued: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> bool:
        raise OperationalError("UPDATE", {}, Exception("gone"))

    queued.lease = 0.5
    monkeypatch.setattr(queued, "heartbeat", away)
    fit = StagedFit(looks=None)
    run(queued, fit)
    assert (fit.stopped, fit.grace) == (True, 0.0)


def test_no_log_folder_is_a_failure_with_a_reason(queued: FitQueue) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    worker = FitWorker(queued, SETTINGS, threading.Event(), start=full)
    assert worker.step()
    row = queued.rows()[0]
    assert row.state == QUEUED
    assert "No space left" in str(row.reason)
    assert not worker.step()  # not due yet


def test_the_loop_outlives_the_database(queued: FitQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, claims, claim = threading.Event(), [], queued.claim

    def flaky(*arguments: Any) -> Fit | None:
        claims.append(arguments)
        if len(claims) == 1:
            raise OperationalError("BEGIN", {}, Exception("locked"))
        if len(claims) == 3:
            stop.set()
        return claim(*arguments)

    monkeypatch.setattr(queued, "claim", flaky)
    fit = StagedFit(FitEnd(attributor="gan-attributor/1"))
    FitWorker(queued, SETTINGS, stop, start=lambda s, w: fit).run()
    assert queued.rows()[0].state == DONE


def test_the_last_attempt_is_the_last(tmp_path: Path) -> None:
    table = FitQueue(f"sqlite:///{tmp_path}/w.db", backoff=Backoff(attempts=1))
    table.enqueue([("gan", 1)], SETTINGS.config_sha256())
    assert run(table, StagedFit(FitEnd(kind="Crashed", message="-"))).state == FAILED
    table.close()
