"""Several services on one table, disks of their own: every finding is told, and told once."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.schema import DONE
from tests.registry_hooks.listeners import Posted
from tests.registry_hooks.postgres import postgres
from tests.registry_hooks.test_notifier import Watched, server, webhook

__all__ = ["server"]

SCANS, IMAGES = 12, 4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/work.db"
    else:
        with postgres() as running:
            yield running


def test_every_finding_is_told_once(url: str, tmp_path: Path, server: Posted) -> None:
    tables = [FitQueue(url) for _ in range(4)]
    channel = webhook(server.url, per_hour=10_000)
    # Each has a disk of its own; the last one's configuration lacks the schedule.
    services = [Watched(table, tmp_path / str(n), channel) for n, table in enumerate(tables)]
    services[-1].notifier._schedules = {}
    over = threading.Event()

    def look(service: Watched) -> None:
        while not over.is_set():
            with contextlib.suppress(SQLAlchemyError):  # as its thread does: it looks again
                service.notifier.step()

    threads = [threading.Thread(target=look, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    try:
        for number in range(SCANS):
            who = number % 3
            # Every image is found again by the next scan.
            services[who].scan(*(f"{number + k}.png" for k in range(IMAGES)))
            shutil.rmtree(tmp_path / str(who), ignore_errors=True)
        wanted = {f"{n}.png" for n in range(SCANS + IMAGES - 1)}
        deadline = threading.Event()
        for _ in range(300):
            if told(server).keys() == wanted and not services[0].table.untold():
                break
            deadline.wait(0.1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
        states = services[0].states()
        for table in tables:
            table.close()
    assert set(states) == {DONE}
    assert told(server) == Counter(wanted)


def told(posted: Posted) -> Counter[str]:
    """How many messages named each image; one that was sent again is one."""
    messages = {body["id"]: body for body in (json.loads(b) for _, b in list(posted.requests))}
    return Counter(found["key"] for body in messages.values() for found in body["findings"])
