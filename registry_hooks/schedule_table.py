"""Schedules and their scans in the database: who runs what, and what came of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks.records import ScanCounts, ScanRow, ScheduleRow
from registry_hooks.schedules import Schedule

RUNNING, ENDED, LOST = "running", "ended", "lost"
#: Lost scans in a row after which only the clock starts the next one.
LOST_AT_MOST = 2


@dataclass(frozen=True)
class Start:
    """The right to run one scan, until its lease runs out."""

    scan: int
    schedule: str
    token: str
    folder: Path
    #: The due time it is for; None when a person asked.
    slot: float | None = None


class ScheduleTable:
    """Safe between processes: a start is one conditional UPDATE."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        lease: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions, self.lease, self.clock = sessions, lease, clock

    def now(self) -> datetime:
        """The clock's time, with its zone."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def sync(self, schedules: Sequence[Schedule], remove: bool = True) -> None:
        """Make the table list these, and no others if `remove`.

        A changed cron line gives a new next run.
        """
        rows = self.rows()
        for name in set(rows) - {schedule.name for schedule in schedules}:
            if remove:
                with self._sessions.begin() as session:
                    session.execute(delete(ScheduleRow).where(ScheduleRow.name == name))
        for schedule in schedules:
            trigger, row = schedule.trigger_text(), rows.get(schedule.name)
            if row is not None and row.trigger == trigger:
                continue
            values = {"trigger": trigger, "next_run": schedule.next_after(self.now())}
            try:
                with self._sessions.begin() as session:
                    if row is None:
                        session.add(ScheduleRow(name=schedule.name, slot=0.0, **values))
                    else:
                        where = ScheduleRow.name == schedule.name
                        session.execute(update(ScheduleRow).where(where).values(**values))
            except IntegrityError:
                pass  # another service wrote the same row at this moment

    def rows(self) -> dict[str, ScheduleRow]:
        """By name."""
        with self._sessions() as session:
            return {row.name: row for row in session.scalars(select(ScheduleRow))}

    def set_next(self, name: str, slot: float, following: float) -> None:
        """Move on from a slot; whatever a person changed meanwhile stays."""
        where = and_(ScheduleRow.name == name, ScheduleRow.next_run == slot)
        self._update(where, {"next_run": following})

    def pause(self, name: str) -> bool:
        """No more starts by the clock; False when it was so already."""
        where = and_(ScheduleRow.name == name, ScheduleRow.paused.is_(False))
        return self._update(where, {"paused": True})

    def resume(self, schedule: Schedule) -> bool:
        """Start by the clock again, without catching up what was paused on purpose."""
        where = and_(ScheduleRow.name == schedule.name, ScheduleRow.paused.is_(True))
        following = schedule.next_after(self.now())
        return self._update(where, {"paused": False, "next_run": following})

    def start(self, name: str, logs: Path, slot: float | None = None) -> Start | None:
        """Claim a schedule; None while one of its scans runs, or when the slot was started.

        Parameters
        ----------
        slot : float or None
            The due time that this start is for; None for a start by hand.
        """
        now, token = self.clock(), uuid.uuid4().hex
        free = or_(ScheduleRow.lease_until.is_(None), ScheduleRow.lease_until < now)
        where = and_(ScheduleRow.name == name, free)
        values: dict[str, Any] = {"token": token, "lease_until": now + self.lease}
        if slot is not None:
            where = and_(where, ScheduleRow.slot < slot, ScheduleRow.paused.is_(False))
            values["slot"] = slot
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        folder = logs.absolute() / "scans" / name / f"{stamp}-{token[:8]}"
        with self._sessions.begin() as session:
            claimed = session.execute(update(ScheduleRow).where(where).values(**values))
            if not isinstance(claimed, CursorResult) or claimed.rowcount != 1:
                return None
            scan = ScanRow(schedule=name, state=RUNNING, started=now, folder=str(folder))
            session.add(scan)
            session.flush()
            return Start(scan.id, name, token, folder, slot)

    def heartbeat(self, start: Start) -> bool:
        """Extend the lease; False when it was lost."""
        return self._update(self._held(start), {"lease_until": self.clock() + self.lease})

    def finish(
        self, start: Start, again: bool = False, unscored: tuple[int, int] = (0, 0), **found: Any
    ) -> bool:
        """Write what a scan found and free its schedule; False when the lease was lost.

        Parameters
        ----------
        unscored : (int, int)
            Objects skipped, and objects that could not be read.
        again : bool
            The scan was cut off: its schedule is due at once for whoever runs next.
        """
        with self._sessions.begin() as session:
            free: dict[str, Any] = {"token": None, "lease_until": None}
            if again:
                free["next_run"] = self.clock()
            freed = session.execute(update(ScheduleRow).where(self._held(start)).values(**free))
            if not isinstance(freed, CursorResult) or freed.rowcount != 1:
                return False
            values = {"state": ENDED, "ended": self.clock(), **found}
            session.execute(update(ScanRow).where(ScanRow.id == start.scan).values(**values))
            skipped, failed = unscored
            session.merge(ScanCounts(scan=start.scan, skipped=skipped, failed=failed))
            return True

    def bury_lost(self) -> list[str]:
        """End scans whose process is gone, and let their schedules catch up once.

        Returns
        -------
        list of str
            Schedules that lost one.
        """
        now, lost = self.clock(), []
        with self._sessions.begin() as session:
            running = session.scalars(select(ScanRow).where(ScanRow.state == RUNNING)).all()
            for scan in running:
                row = session.get(ScheduleRow, scan.schedule)
                newest = scan.id == max(s.id for s in running if s.schedule == scan.schedule)
                if newest and row is not None and (row.lease_until or 0.0) >= now:
                    continue
                scan.state, scan.ended = LOST, now
                scan.reason = "The process that ran it was lost."
                lost.append(scan.schedule)
                if newest and row is not None:
                    row.token = row.lease_until = None
                    if not row.paused and not self._often_lost(session, scan):
                        row.next_run = min(row.next_run, now)
        return lost

    def scans(self, schedule: str | None = None, limit: int = 50) -> list[ScanRow]:
        """The last scans, newest first."""
        query = select(ScanRow).order_by(ScanRow.id.desc()).limit(limit)
        if schedule is not None:
            query = query.where(ScanRow.schedule == schedule)
        with self._sessions() as session:
            return list(session.scalars(query))

    def _often_lost(self, session: Session, scan: ScanRow) -> bool:
        before = session.scalars(
            select(ScanRow.state)
            .where(ScanRow.schedule == scan.schedule, ScanRow.id < scan.id)
            .order_by(ScanRow.id.desc())
            .limit(LOST_AT_MOST - 1)
        ).all()
        return len(before) == LOST_AT_MOST - 1 and all(state == LOST for state in before)

    def _held(self, start: Start) -> Any:
        return and_(ScheduleRow.name == start.schedule, ScheduleRow.token == start.token)

    def _update(self, where: Any, values: dict[str, Any]) -> bool:
        with self._sessions.begin() as session:
            result = session.execute(update(ScheduleRow).where(where).values(**values))
            return isinstance(result, CursorResult) and result.rowcount == 1
