"""The work table: what is to be fitted, by whom it is being fitted, and what came of it."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable
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
    Delivery,
    Row,
    open_engine,
)

#: Deliveries older than the receiver's window cannot be replayed; a day leaves a trace to read.
KEEP_DELIVERIES = 86_400.0


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
        now = self.clock()
        with self._session.begin() as session:
            if not self._insert(session, Delivery, {"id": delivery_id, "received": now}):
                return False
            for model, version in versions:
                self._add(session, model, version, config, {})
            session.execute(delete(Delivery).where(Delivery.received < now - KEEP_DELIVERIES))
            return True

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
        return self._write(
            work, state=state, attributor=attributor, reason=reason, kind=kind, **_FREE
        )

    def retry(self, work: Work, reason: str, kind: str | None = None) -> str:
        """Put failed work back with a delay, or make it a dead letter; returns the new state."""
        last = work.attempts >= self.backoff.attempts
        state = FAILED if last else QUEUED
        due = self.clock() + self.backoff.delay(work.attempts, random.random())
        self._write(work, state=state, due=due, reason=reason, kind=kind, **_FREE)
        return state

    def release(self, work: Work) -> bool:
        """Give work back untried: the worker is stopping."""
        return self._write(
            work, state=QUEUED, due=self.clock(), attempts=work.attempts - 1, **_FREE
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
            found = session.execute(select(Row.state, func.count()).group_by(Row.state)).all()
        return {**dict.fromkeys(STATES, 0), **dict(found)}

    def _add(
        self, session: Session, model: str, version: int, config: str, fields: dict[str, Any]
    ) -> int:
        now = self.clock()
        row = {"state": QUEUED, "attempts": 0, "due": now, "created": now, "updated": now}
        values = {**row, "model": model, "version": version, "config": config, **fields}
        return int(self._insert(session, Row, values))

    def _insert(self, session: Session, table: Any, values: dict[str, Any]) -> bool:
        postgres = self._engine.dialect.name == "postgresql"
        insert: Any = postgresql.insert(table) if postgres else sqlite.insert(table)
        # A row that comes back was new; psycopg's row count of an ORM insert tells nothing.
        new = insert.values(**values).on_conflict_do_nothing().returning(table.id)
        return session.execute(new).first() is not None

    def _write(self, work: Work, **values: Any) -> bool:
        held = and_(Row.id == work.id, Row.token == work.token, Row.state == RUNNING)
        return self._update(held, {"updated": self.clock(), **values})

    def _update(self, where: Any, values: dict[str, Any]) -> bool:
        with self._session.begin() as session:
            result = session.execute(update(Row).where(where).values(**values))
            return isinstance(result, CursorResult) and result.rowcount == 1


#: A row that nobody holds.
_FREE: dict[str, Any] = {"token": None, "owner": None, "lease_until": None}
