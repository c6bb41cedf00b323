"""The queue: what is to be done, by whom it is being done, and what came of it."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import CursorResult, Executable, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks.database import insert_into, open_database, reading
from registry_hooks.schema import FAILED, LOST, QUEUED, RUNNING, STATES, Job

PURGE_EVERY = 60.0
#: How an attempt can end beside done, failed, skipped and lost.
RETRIED, RELEASED = "retried", "released"
#: A job that nobody holds.
_FREE: Mapping[str, Any] = {"token": None, "owner": None, "lease_until": None}

J = TypeVar("J", bound=Job)


class Seen(Protocol):
    """A job as it was when somebody read it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def state(self) -> str:
        """One of `STATES`."""

    @property
    def updated(self) -> float:
        """When it changed last."""


@dataclass(frozen=True)
class Backoff:
    """How often a failing job is tried, and how long to wait in between (seconds)."""

    attempts: int = 5
    first: float = 30.0
    factor: float = 4.0
    longest: float = 3600.0

    def delay(self, attempts: int, chance: float) -> float:
        """The wait after the n-th attempt; `chance` in [0, 1] spreads it over its upper half."""
        whole = min(self.longest, self.first * self.factor ** max(0, attempts - 1))
        return whole * (0.5 + 0.5 * chance)


class JobQueue(Generic[J]):
    """Jobs of one kind. All writes are single transactions, and a repeated one changes nothing.

    A claim is the job as it was claimed: hand it back to `heartbeat`, `finish`, `retry` or
    `release`.

    Parameters
    ----------
    where : str or sessionmaker
        SQLAlchemy URL (SQLite for one machine, PostgreSQL for many), or sessions on a database
        that is open.
    lease : float
        Seconds without heartbeat after which a job is taken from its holder.
    """

    job: type[J]
    #: Seconds for which a job that is over is kept; None: for ever.
    KEEP: ClassVar[float | None] = None

    def __init__(
        self,
        where: str | sessionmaker[Session],
        lease: float = 60.0,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sessions = open_database(where) if isinstance(where, str) else where
        self.reads = reading(self.sessions)
        self.lease, self.backoff, self.clock = lease, backoff or Backoff(), clock
        self._next_purge = 0.0

    def close(self) -> None:
        """Close the database's connections, those of other queues on it too."""
        with self.sessions() as session:
            session.get_bind().engine.dispose()

    def claim(self, owner: str, queue: str) -> J | None:
        """Take the job that is due longest; one with an expired lease counts as due.

        A job whose holders were lost `backoff.attempts` times becomes a dead letter here.
        """
        job = self.job
        with self.sessions.begin() as session:
            while True:
                now = self.clock()
                due = or_(
                    and_(job.state == QUEUED, job.due <= now),
                    and_(job.state == RUNNING, job.lease_until < now),
                )
                found = session.scalars(
                    select(job)
                    .where(job.queue == queue, due)
                    .order_by(job.due, job.id)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                ).first()
                if found is None:
                    return None
                found.updated = now
                if found.state == RUNNING:
                    self._attempted(session, found, LOST, found.lease_until or now)
                    if found.attempts >= self.backoff.attempts:
                        _set(found, {"state": FAILED, "ended": now, "error": "WorkerLost"}, _FREE)
                        found.reason = f"Its worker was lost in each of {found.attempts} attempts."
                        session.flush()
                        continue
                self._take(found, owner, now)
                return found

    def heartbeat(self, job: J) -> bool:
        """Extend the lease; False when the job was lost to another holder."""
        return self.note(job, lease_until=self.clock() + self.lease)

    def note(self, job: J, **values: Any) -> bool:
        """Write to a job that is held; False when it was lost."""
        return self._update(self._held(job), {"updated": self.clock(), **values})

    def finish(self, job: J, state: str, **values: Any) -> bool:
        """Write an outcome; False when the job was lost."""
        ended = {"state": state, "reason": None, "error": None, "ended": self.clock()}
        return self._end(job, state, {**ended, **values})

    def retry(self, job: J, reason: str, error: str | None = None) -> str:
        """Put a failed job back with a delay, or make it a dead letter; returns the new state."""
        now = self.clock()
        values: dict[str, Any] = {"reason": reason, "error": error}
        if job.attempts >= self.backoff.attempts:
            self._end(job, FAILED, {**values, "state": FAILED, "ended": now})
            return FAILED
        due = now + self.backoff.delay(job.attempts, random.random())
        self._end(job, RETRIED, {**values, "state": QUEUED, "due": due})
        return QUEUED

    def release(self, job: J) -> bool:
        """Give a job back untried: its holder is stopping."""
        back = {"state": QUEUED, "due": self.clock(), "attempts": job.attempts - 1}
        return self._end(job, RELEASED, back)

    def move(self, job: Seen, state: str, **values: Any) -> bool:
        """Change a job that nobody has touched since it was read."""
        now = self.clock()
        changes: dict[str, Any] = {"state": state, "updated": now, "ended": now, **_FREE, **values}
        if state == QUEUED:
            changes |= {"attempts": 0, "due": now, "ended": None}
        same = and_(self.job.state == job.state, self.job.updated == job.updated)
        return self._update(and_(self.job.id == job.id, same), changes)

    def newest(self, queue: str | None = None, limit: int = 50) -> list[J]:
        """The last jobs, newest first."""
        query = select(self.job).order_by(self.job.id.desc()).limit(limit)
        if queue is not None:
            query = query.where(self.job.queue == queue)
        with self.reads() as session:
            return list(session.scalars(query))

    def find(self, number: int) -> J | None:
        """The job of an id."""
        # Beyond it no database counts.
        if not 0 < number < 2**31:
            return None
        with self.reads() as session:
            return session.get(self.job, number)

    def counts(self) -> dict[str, int]:
        """Jobs by state, absent states as 0."""
        with self.reads() as session:
            return count_by_state(session, self.job)

    def purge(self) -> None:
        """Forget what is long over; once a minute at most."""
        if self.clock() >= self._next_purge:
            with self.sessions.begin() as session:
                self._purge(session)

    def _purge(self, session: Session) -> None:
        now = self.clock()
        self._next_purge = now + PURGE_EVERY
        if self.KEEP is not None:
            session.execute(delete(self.job).where(self.job.ended < now - self.KEEP))

    def _attempted(self, session: Session, job: J, outcome: str, ended: float) -> None:
        """An attempt ended: for what a kind of job counts."""

    def _row(self, queue: str, key: str | None, **values: Any) -> dict[str, Any]:
        """A new job, for `_insert`."""
        now = self.clock()
        new = {"state": QUEUED, "attempts": 0, "due": now, "created": now, "updated": now}
        kind = self.job.__mapper__.polymorphic_identity
        return {**new, "kind": kind, "queue": queue, "key": key, **values}

    def _insert(self, session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Add jobs whose keys are not there yet; the ids of those that were new."""
        if not rows:
            return []
        table = Job.__table__
        insert = insert_into(session, table).on_conflict_do_nothing().returning(table.c.id)
        return list(session.connection().execute(insert, rows).scalars())

    def _take(self, job: J, owner: str | None, now: float) -> None:
        taken = {"state": RUNNING, "owner": owner, "token": uuid.uuid4().hex, "started": now}
        _set(job, taken, {"attempts": (job.attempts or 0) + 1, "lease_until": now + self.lease})

    def _held(self, job: J) -> Any:
        own = and_(self.job.id == job.id, self.job.token == job.token)
        return and_(own, self.job.state == RUNNING)

    def _end(
        self, job: J, outcome: str, values: Mapping[str, Any], also: Sequence[Executable] = ()
    ) -> bool:
        """End an attempt: its job, what counts it and what else follows in one transaction."""
        now = self.clock()
        with self.sessions.begin() as session:
            query = select(self.job).where(self._held(job)).with_for_update()
            held = session.scalars(query).first()
            if held is None:
                return False
            _set(held, {"updated": now}, values, _FREE)
            self._attempted(session, held, outcome, now)
            for statement in also:
                session.execute(statement)
            return True

    def _update(self, where: Any, values: dict[str, Any]) -> bool:
        with self.sessions.begin() as session:
            return changed(session, update(self.job).where(where).values(**values))


def changed(session: Session, statement: Any) -> bool:
    """Whether an UPDATE met its one row."""
    result = session.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1


def count_by_state(session: Session, job: type[Job]) -> dict[str, int]:
    """Jobs of a kind by state, absent states as 0."""
    found = session.execute(select(job.state, func.count()).group_by(job.state)).all()
    return {**dict.fromkeys(STATES, 0), **dict(found)}


def _set(job: Job, *values: Mapping[str, Any]) -> None:
    for each in values:
        for name, value in each.items():
            setattr(job, name, value)
