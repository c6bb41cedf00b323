"""Starts scheduled scans when they are due: the table says when, the configuration says what."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.scan_run import run_scan, schedule_log
from registry_hooks.schedules import Schedule

logger = logging.getLogger("flipad.hooks")

#: Seconds between two looks at the table: another process may have resumed a schedule.
LOOK = 1.0


class ScanScheduler:
    """Call `run` in a thread."""

    def __init__(
        self,
        queue: ScanQueue,
        schedules: Sequence[Schedule],
        logs: Path,
        stop: threading.Event,
        registry: str | None = None,
        run: Callable[..., Any] = run_scan,
    ) -> None:
        self._queue, self._logs, self._stop = queue, logs, stop
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._registry, self._run = registry, run
        self._running = dict[str, threading.Thread]()

    def run(self) -> None:
        """Until stopped; scans that run then are interrupted and end before this returns."""
        synced = False
        while not self._stop.is_set():
            try:
                if not synced:
                    self._queue.sync(list(self._schedules.values()))
                    synced = True
                self.step()
            except SQLAlchemyError as error:
                logger.warning("The schedules do not answer: %s", type(error).__name__)
            self._stop.wait(LOOK)
        for thread in self._running.values():
            thread.join()

    def step(self) -> None:
        """End scans that were lost, and start those that are due."""
        for name in self._queue.bury_lost():
            schedule_log(name).warning("its scan was lost")
        self._queue.purge()
        now = self._queue.now()
        for name, times in self._queue.times().items():
            schedule = self._schedules.get(name)
            if schedule and not times.paused and times.next_run <= now.timestamp():
                self._start(schedule, times.next_run, now)

    def _start(self, schedule: Schedule, slot: float, now: datetime) -> None:
        name, scan = schedule.name, self._queue.start(schedule.name, self._logs, slot)
        # One catch-up after downtime, however long it was.
        following = schedule.next_after(max(now, datetime.fromtimestamp(slot, UTC)))
        self._queue.set_next(name, slot, following)
        if scan is None:
            schedule_log(name).warning("not started, a scan of it runs or ran just now")
            return
        arguments = (self._queue, schedule, scan, self._stop, self._registry)
        self._running[name] = threading.Thread(target=self._run, args=arguments)
        self._running[name].start()
