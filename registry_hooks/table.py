"""The work table: what is to be fitted, by whom it is being fitted, and what came of it."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CursorResult, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks.records import (
    FAILED,
    QUEUED,
    RUNNING,
    STATES,
    Attempt,
    Delivery,
    Row,
    open_engine,
)

#: Deliveries older than the receiver's window cannot be replayed; a day leaves a trace to read.
KEEP_DELIVERIES = 86_400.0
PURGE_EVERY = 60.0
#: How an attempt can end beside done, failed and skipped.
RETRIED, RELEASED, LOST = "retried", "released", "lost"


@dataclass(frozen=True)
class Backoff:
    """How often a failing fit is tried, and how long to wait in between (seconds)."""

    attempts: int = 5
    first: float = 30.0
    factor: float = 4.0
    longest: float = 3600.0

    def delay(self, attempts: int, chance: float) -> float:
        """The wait after the n-th attempt; `chance` in [0, 1] spreads it over its upper half."""
        whole = min(self.longest, self.first * self.factor ** max(0, attempts - 1))
        return whole * (0.5 + 0.5 * chance)


@dataclass(frozen=True)
class Work:
    """A claim: hand it back to `heartbeat`, `finish`, `retry` or `release`."""

    id: int
    model: str
    version: int
    config: str
    attempts: int
    token: str

    @property
    def uri(self) -> str:
        """models:/NAME/VERSION."""
        return f"models:/{self.model}/{self.version}"


@dataclass
class WorkTable:
    """All writes are single transactions, and a repeated one changes nothing.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: SQLite for one machine, PostgreSQL for many.
    lease : float
        Seconds without heartbeat after which work is taken from its worker.
    """

    url: str
    lease: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._engine = open_engine(self.url)
        self._session = sessionmaker(self._engine, expire_on_commit=False)
        self._next_purge = 0.0

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Transactions on the same database, for the tables beside this one."""
        return self._session

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def enqueue(self, versions: Iterable[tuple[str, int]], config: str, **fields: Any) -> int:
        """Add versions that are not there yet; returns how many were new."""
        with self._session.begin() as session:
            return sum(self._add(session, *version, config, fields) for version in versions)

    def receive(self, delivery_id: str, versions: Iterable[tuple[str, int]], config: str) -> bool:
        """Note a delivery and its versions in one transaction; False when it was noted before."""
        return self.receive_all([(delivery_id, list(versions))], config)[0]

    def receive_all(
        self, deliveries: Sequence[tuple[str, list[tuple[str, int]]]], config: str
    ) -> list[bool]:
        """`receive` for several in one transaction: all are noted, or none is."""
        now, new, rows = self.clock(), dict[str, int](), list[dict[str, Any]]()
        with self._session.begin() as session:
            ids = [delivery_id for delivery_id, _ in deliveries]
            known = set(session.scalars(select(Delivery.id).where(Delivery.id.in_(ids))))
            for index, (delivery_id, versions) in enumerate(deliveries):
                if delivery_id not in known and delivery_id not in new:
                    new[delivery_id] = index
                    rows += [self._row(*version, config, {}) for version in versions]
            connection = session.connection()
            if new:
                noted = [{"id": each, "received": now} for each in new]
                connection.execute(self._insertion(Delivery), noted)
            if rows:
                connection.execute(self._insertion(Row), rows)
            if now >= self._next_purge:
                session.execute(delete(Delivery).where(Delivery.received < now - KEEP_DELIVERIES))
                self._next_purge = now + PURGE_EVERY
        return [new.get(each) == index for index, (each, _) in enumerate(deliveries)]

    def claim(self, owner: str, config: str) -> Work | None:
        """Take the work that is due longest; work with an expired lease counts as due.

        Work whose workers were lost `backoff.attempts` times becomes a dead letter here.
        """
        with self._session.begin() as session:
            while True:
                now = self.clock()
                due = or_(
                    and_(Row.state == QUEUED, Row.due <= now),
                    and_(Row.state == RUNNING, Row.lease_until < now),
                )
                row = session.scalars(
                    select(Row)
                    .where(Row.config == config, due)
                    .order_by(Row.due, Row.id)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                ).first()
                if row is None:
                    return None
                row.updated = now
                if row.state == RUNNING:
                    session.add(_attempt(LOST, row.started, row.lease_until or now))
                if row.state == RUNNING and row.attempts >= self.backoff.attempts:
                    row.state, row.token, row.owner, row.lease_until = FAILED, None, None, None
                    row.kind = "WorkerLost"
                    row.reason = f"Its worker was lost in each of {row.attempts} attempts."
                    session.flush()
                    continue
                row.state, row.owner, row.token = RUNNING, owner, uuid.uuid4().hex
                row.attempts += 1
                row.started = now
                row.lease_until = now + self.lease
                return Work(row.id, row.model, row.version, row.config, row.attempts, row.token)

    def heartbeat(self, work: Work) -> bool:
        """Extend the lease; False when the work was lost to another worker."""
        return self._write(work, lease_until=self.clock() + self.lease)

    def note_log(self, work: Work, path: str) -> None:
        """Where the log of the current attempt is."""
        self._write(work, log=path)

    def finish(
        self,
        work: Work,
        state: str,
        *,
        attributor: str | None = None,
        reason: str | None = None,
        kind: str | None = None,
    ) -> bool:
        """Write an outcome (done, failed or skipped); False when the work was lost."""
        return self._end(
            work, state, state=state, attributor=attributor, reason=reason, kind=kind, **_FREE
        )

    def retry(self, work: Work, reason: str, kind: str | None = None) -> str:
        """Put failed work back with a delay, or make it a dead letter; returns the new state."""
        last = work.attempts >= self.backoff.attempts
        state = FAILED if last else QUEUED
        due = self.clock() + self.backoff.delay(work.attempts, random.random())
        outcome = FAILED if last else RETRIED
        self._end(work, outcome, state=state, due=due, reason=reason, kind=kind, **_FREE)
        return state

    def release(self, work: Work) -> bool:
        """Give work back untried: the worker is stopping."""
        return self._end(
            work, RELEASED, state=QUEUED, due=self.clock(), attempts=work.attempts - 1, **_FREE
        )

    def move(self, row: Row, state: str, **fields: Any) -> bool:
        """Change a row that nobody has touched since it was read (the reconciler's write)."""
        values: dict[str, Any] = {"state": state, "updated": self.clock(), **_FREE, **fields}
        if state == QUEUED:
            values |= {"attempts": 0, "due": self.clock()}
        return self._update(
            and_(Row.id == row.id, Row.state == row.state, Row.updated == row.updated), values
        )

    def rows(self) -> list[Row]:
        """Everything, newest change first."""
        with self._session() as session:
            return list(session.scalars(select(Row).order_by(Row.updated.desc(), Row.id)))

    def counts(self) -> dict[str, int]:
        """Rows by state, absent states as 0."""
        with self._session() as session:
            return count_by_state(session)

    def _add(
        self, session: Session, model: str, version: int, config: str, fields: dict[str, Any]
    ) -> int:
        # A row that comes back was new; psycopg's row count of an ORM insert tells nothing.
        insert = self._insertion(Row).values(**self._row(model, version, config, fields))
        return int(session.execute(insert.returning(Row.id)).first() is not None)

    def _row(self, model: str, version: int, config: str, fields: dict[str, Any]) -> dict[str, Any]:
        now = self.clock()
        row = {"state": QUEUED, "attempts": 0, "due": now, "created": now, "updated": now}
        return {**row, "model": model, "version": version, "config": config, **fields}

    def _insertion(self, table: Any) -> Any:
        postgres = self._engine.dialect.name == "postgresql"
        insert: Any = postgresql.insert(table) if postgres else sqlite.insert(table)
        return insert.on_conflict_do_nothing()

    def _write(self, work: Work, **values: Any) -> bool:
        return self._update(_held(work), {"updated": self.clock(), **values})

    def _end(self, work: Work, outcome: str, **values: Any) -> bool:
        """End an attempt: its row and its `Attempt` in one transaction."""
        now = self.clock()
        with self._session.begin() as session:
            row = session.scalars(select(Row).where(_held(work)).with_for_update()).first()
            if row is None:
                return False
            session.add(_attempt(outcome, row.started, now))
            for name, value in {"updated": now, **values}.items():
                setattr(row, name, value)
            return True

    def _update(self, where: Any, values: dict[str, Any]) -> bool:
        with self._session.begin() as session:
            result = session.execute(update(Row).where(where).values(**values))
            return isinstance(result, CursorResult) and result.rowcount == 1


def count_by_state(session: Session) -> dict[str, int]:
    """Rows by state, absent states as 0."""
    found = session.execute(select(Row.state, func.count()).group_by(Row.state)).all()
    return {**dict.fromkeys(STATES, 0), **dict(found)}


def _held(work: Work) -> Any:
    return and_(Row.id == work.id, Row.token == work.token, Row.state == RUNNING)


def _attempt(outcome: str, started: float | None, ended: float) -> Attempt:
    seconds = max(0.0, ended - (ended if started is None else started))
    return Attempt(outcome=outcome, seconds=seconds, ended=ended)


#: A row that nobody holds.
_FREE: dict[str, Any] = {"token": None, "owner": None, "lease_until": None}
