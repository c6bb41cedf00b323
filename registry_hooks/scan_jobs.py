"""Schedules and their scans in the database: who runs what, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, select, update
from sqlalchemy.orm import Session

from registry_hooks import totals
from registry_hooks.database import insert_into
from registry_hooks.jobs import JobQueue, changed
from registry_hooks.schedules import Schedule
from registry_hooks.schema import ENDED, LOST, RUNNING, Scan, ScheduleTimes

#: Lost scans in a row after which only the clock starts the next one.
LOST_AT_MOST = 2
#: Exit codes of a scan in words; a signal or any other is "crashed".
OUTCOMES = {0: "clean", 3: "findings", 4: "incomplete", 5: "nothing", 6: "attributor",
            7: "unrecorded", 8: "registry", 2: "usage",
            130: "interrupted", 143: "interrupted"}  # fmt: skip
SUCCESS = (0, 3)
_NEW: dict[str, Any] = {"scored": 0, "leaks": 0, "review": 0, "skipped": 0, "unreadable": 0}


class ScanQueue(JobQueue[Scan]):
    """The scans of schedules, of each one at a time: a start holds its schedule's row."""

    job = Scan
    KEEP = 365 * 86_400.0

    def now(self) -> datetime:
        """The clock's time, with its zone."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def sync(self, schedules: Sequence[Schedule], remove: bool = True) -> None:
        """Make the table list these, and no others if `remove`.

        A changed cron line gives a new next run.
        """
        with self.sessions.begin() as session:
            if remove:
                names = [schedule.name for schedule in schedules]
                session.execute(delete(ScheduleTimes).where(ScheduleTimes.name.not_in(names)))
            for schedule in schedules:
                new = {"trigger": schedule.trigger_text()}
                row = session.get(ScheduleTimes, schedule.name)
                if row is not None and row.trigger == new["trigger"]:
                    continue
                times = {**new, "next_run": schedule.next_after(self.now())}
                insert = insert_into(session, ScheduleTimes)
                session.execute(
                    insert.values(name=schedule.name, paused=False, slot=0.0, **times)
                    .on_conflict_do_update(index_elements=[ScheduleTimes.name], set_=times)
                )  # fmt: skip

    def times(self) -> dict[str, ScheduleTimes]:
        """By name."""
        with self.reads() as session:
            return {row.name: row for row in session.scalars(select(ScheduleTimes))}

    def set_next(self, name: str, slot: float, following: float) -> None:
        """Move on from a slot; whatever a person changed meanwhile stays."""
        self._change(name, ScheduleTimes.next_run == slot, next_run=following)

    def pause(self, name: str) -> bool:
        """No more starts by the clock; False when it was so already."""
        return self._change(name, ScheduleTimes.paused.is_(False), paused=True)

    def resume(self, schedule: Schedule) -> bool:
        """Start by the clock again, without catching up what was paused on purpose."""
        following = schedule.next_after(self.now())
        paused = ScheduleTimes.paused.is_(True)
        return self._change(schedule.name, paused, paused=False, next_run=following)

    def start(self, name: str, logs: Path, slot: float | None = None) -> Scan | None:
        """Claim a schedule; None while one of its scans runs, or when the slot was started.

        Parameters
        ----------
        slot : float or None
            The due time that this start is for; None for a start by hand.
        """
        with self.sessions.begin() as session:
            # Until the commit, no other process gets past this row.
            times = session.get(ScheduleTimes, name, with_for_update=True)
            now = self.clock()  # whoever waited for the row begins after the one before it ended
            if times is None:
                return None
            if slot is not None and (times.paused or times.slot >= slot):
                return None
            self._bury(session, name)
            running = select(Scan.id).where(Scan.queue == name, Scan.state == RUNNING)
            if session.scalar(running.limit(1)) is not None:
                return None
            if slot is not None:
                times.slot = slot
            stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
            folder = logs.absolute() / "scans" / name / f"{stamp}-{uuid.uuid4().hex[:8]}"
            row = self._row(name, None, folder=str(folder), told=False, **_NEW)
            scan = Scan(**row if slot is None else {**row, "due": slot})
            self._take(scan, None, now)
            session.add(scan)
            return scan

    def end(self, scan: Scan, again: bool = False, **found: Any) -> bool:
        """Write what a scan found and free its schedule; False when the lease was lost.

        Parameters
        ----------
        again : bool
            The scan was cut off: its schedule is due at once for whoever runs next.
        """
        ended = {"state": ENDED, "ended": self.clock()}
        name = ScheduleTimes.name == scan.schedule
        due = update(ScheduleTimes).where(name).values(next_run=self.clock())
        return self._end(scan, ENDED, {**ended, **found}, [due] if again else [])

    def bury_lost(self) -> list[str]:
        """End scans whose process is gone, and let their schedules catch up once.

        Returns
        -------
        list of str
            Schedules that lost one.
        """
        with self.sessions.begin() as session:
            return self._bury(session)

    def untold(self) -> list[Scan]:
        """Scans that ended and that nobody has looked at."""
        over = and_(Scan.ended.is_not(None), Scan.told.is_(False))
        with self.reads() as session:
            return list(session.scalars(select(Scan).where(over).order_by(Scan.id)))

    def previous(self, scan: Scan) -> Scan | None:
        """The last scan of its schedule before it that ended well."""
        earlier = and_(Scan.queue == scan.schedule, Scan.id < scan.id, Scan.exit_code.in_(SUCCESS))
        with self.reads() as session:
            return session.scalars(
                select(Scan).where(earlier).order_by(Scan.id.desc()).limit(1)
            ).first()

    def tell(self, scan: Scan) -> None:
        """Nobody needs to look at this scan again."""
        self._update(Scan.id == scan.id, {"told": True, "findings": None})

    def _bury(self, session: Session, name: str | None = None) -> list[str]:
        now = self.clock()
        query = select(Scan).where(Scan.state == RUNNING, Scan.lease_until < now)
        if name is not None:
            query = query.where(Scan.queue == name)
        lost = session.scalars(query.with_for_update(skip_locked=True)).all()
        for scan in lost:
            scan.state, scan.token, scan.lease_until = LOST, None, None
            scan.ended = scan.updated = now
            scan.reason = "The process that ran it was lost."
            self._attempted(session, scan, LOST, now)
            times = session.get(ScheduleTimes, scan.schedule)
            if times is not None and not times.paused and not self._often_lost(session, scan):
                times.next_run = min(times.next_run, now)
        return [scan.schedule for scan in lost]

    def _often_lost(self, session: Session, scan: Scan) -> bool:
        before = session.scalars(
            select(Scan.state)
            .where(Scan.queue == scan.queue, Scan.id < scan.id)
            .order_by(Scan.id.desc())
            .limit(LOST_AT_MOST - 1)
        ).all()
        return len(before) == LOST_AT_MOST - 1 and all(state == LOST for state in before)

    def _attempted(self, session: Session, job: Scan, outcome: str, ended: float) -> None:
        schedule, code = job.queue, job.exit_code
        if outcome == ENDED:
            outcome = "not started" if code is None else OUTCOMES.get(code, "crashed")
        totals.add(session, {
            ("flipad_scans", schedule, outcome): 1,
            ("flipad_scanned_images", schedule, ""): job.scored or 0,
            ("flipad_findings", schedule, "leak"): job.leaks or 0,
            ("flipad_findings", schedule, "review"): job.review or 0,
            ("flipad_skipped_images", schedule, ""): job.skipped or 0,
            ("flipad_unreadable_images", schedule, ""): job.unreadable or 0,
        })  # fmt: skip
        if code in SUCCESS:
            totals.add(session, {(totals.LAST_SUCCESS, schedule, ""): ended}, replace=True)

    def _change(self, name: str, *where: Any, **values: Any) -> bool:
        row = update(ScheduleTimes).where(ScheduleTimes.name == name, *where).values(**values)
        with self.sessions.begin() as session:
            return changed(session, row)
