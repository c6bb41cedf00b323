"""Starts scheduled scans: APScheduler on a job store that keeps times, not code.

APScheduler's own SQL store holds pickles, which whoever may write the database could turn into
code. Ours holds names and times; the jobs themselves are made from the configuration.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore, JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.scan_run import run_scan
from registry_hooks.schedules import Schedule

logger = logging.getLogger("flipad.hooks")

#: Seconds between two looks at the table: another process may have resumed a schedule.
LOOK = 1.0


class TimesStore(BaseJobStore):  # type: ignore[misc]
    """The `flipad_schedule` table as APScheduler sees it."""

    def __init__(
        self, queue: ScanQueue, schedules: Sequence[Schedule], func: Callable[..., Any]
    ) -> None:
        super().__init__()
        self._queue, self._func = queue, func
        self._schedules = {schedule.name: schedule for schedule in schedules}

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Jobs to start, each with the slot that it is started for."""
        due = [job for job in self.get_all_jobs() if job.next_run_time is not None]
        return [job for job in due if job.next_run_time <= now]

    def get_next_run_time(self) -> datetime | None:
        """The earliest next run."""
        times = [job.next_run_time for job in self.get_all_jobs()]
        return min((time for time in times if time is not None), default=None)

    def get_all_jobs(self) -> list[Job]:
        """Every configured schedule; paused ones have no next run."""
        rows = self._queue.times().items()
        return [self._job(name, row) for name, row in rows if name in self._schedules]

    def lookup_job(self, job_id: str) -> Job | None:
        """One of them."""
        return next((job for job in self.get_all_jobs() if job.id == job_id), None)

    def update_job(self, job: Job) -> None:
        """After a start: the next one."""
        if job.next_run_time is None:
            raise JobLookupError(job.id)
        self._queue.set_next(job.id, job.kwargs["slot"], job.next_run_time.timestamp())

    def add_job(self, job: Job) -> None:
        """Jobs come from the configuration only."""
        raise NotImplementedError("ScanQueue.sync adds schedules")

    def remove_job(self, job_id: str) -> None:
        """As `add_job`."""
        raise NotImplementedError("ScanQueue.sync removes schedules")

    def remove_all_jobs(self) -> None:
        """As `add_job`."""
        raise NotImplementedError("ScanQueue.sync removes schedules")

    def _job(self, name: str, row: Any) -> Job:
        job = Job(
            self._scheduler,
            id=name,
            name=name,
            func=self._func,
            args=(),
            kwargs={"name": name, "slot": row.next_run},
            trigger=self._schedules[name].trigger(),
            executor="default",
            # One catch-up after downtime, however long it was, and never two at once.
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            next_run_time=None if row.paused else datetime.fromtimestamp(row.next_run, UTC),
        )
        job._jobstore_alias = self._alias
        return job


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

    def run(self) -> None:
        """Until stopped; scans that run then are interrupted and end before this returns."""
        quiet = logging.getLogger("apscheduler")
        quiet.setLevel(logging.WARNING)
        schedules: Iterable[Schedule] = self._schedules.values()
        while not self._stop.is_set() and not self._sync(list(schedules)):
            self._stop.wait(LOOK)
        scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(1, len(self._schedules)))},
            jobstores={"default": TimesStore(self._queue, list(schedules), self._scan)},
            jobstore_retry_interval=LOOK,
        )
        scheduler.start()
        try:
            while not self._stop.wait(LOOK):
                self._bury()
                scheduler.wakeup()
        finally:
            scheduler.shutdown(wait=True)

    def _sync(self, schedules: list[Schedule]) -> bool:
        try:
            self._queue.sync(schedules)
        except SQLAlchemyError as error:
            logger.warning("The schedules cannot be written: %s", type(error).__name__)
            return False
        return True

    def _bury(self) -> None:
        try:
            for name in self._queue.bury_lost():
                logger.warning("Schedule %s: its scan was lost", name, extra={"schedule": name})
            self._queue.purge()
        except SQLAlchemyError as error:
            logger.warning("The schedules do not answer: %s", type(error).__name__)

    def _scan(self, name: str, slot: float) -> None:
        start = self._queue.start(name, self._logs, slot)
        if start is None:
            logger.warning(
                "Schedule %s: not started, a scan of it runs or ran just now",
                name,
                extra={"schedule": name},
            )
            return
        self._run(self._queue, self._schedules[name], start, self._stop, self._registry)
