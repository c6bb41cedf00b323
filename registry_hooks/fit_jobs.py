"""Fits in the queue: a version once per configuration, and the deliveries that named it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry_hooks import totals
from registry_hooks.database import insert_into
from registry_hooks.jobs import JobQueue
from registry_hooks.schema import QUEUED, RUNNING, Delivery, Fit

#: Deliveries older than the receiver's window cannot be replayed; a day leaves a trace to read.
KEEP_DELIVERIES = 86_400.0
#: Fits read at a time by `known`, and seconds between: other threads answer meanwhile.
PAGE, PAUSE = 1000, 0.005


class KnownFit(NamedTuple):
    """What reconciling asks of a fit; the whole of each would take seconds for a year's."""

    model: str
    version: int
    config: str
    id: int
    state: str
    error: str | None
    reason: str | None
    attributor: str | None
    started: float | None
    updated: float


_KNOWN = (Fit.key, *(getattr(Fit, name) for name in KnownFit._fields[2:]))


class FitQueue(JobQueue[Fit]):
    """The work table."""

    job = Fit

    def enqueue(self, versions: Iterable[tuple[str, int]], config: str, **fields: Any) -> int:
        """Add versions that are not there yet; returns how many were new."""
        rows = [self._row(config, f"{model}/{version}", **fields) for model, version in versions]
        with self.sessions.begin() as session:
            return len(self._insert(session, rows))

    def receive(self, delivery_id: str, versions: Iterable[tuple[str, int]], config: str) -> bool:
        """Note a delivery and its versions in one transaction; False when it was noted before."""
        return self.receive_all([(delivery_id, list(versions))], config)[0]

    def receive_all(
        self, deliveries: Sequence[tuple[str, list[tuple[str, int]]]], config: str
    ) -> list[bool]:
        """`receive` for several in one transaction: all are noted, or none is."""
        now, new, rows = self.clock(), dict[str, int](), list[dict[str, Any]]()
        with self.sessions.begin() as session:
            ids = [delivery_id for delivery_id, _ in deliveries]
            known = set(session.scalars(select(Delivery.id).where(Delivery.id.in_(ids))))
            for index, (delivery_id, versions) in enumerate(deliveries):
                if delivery_id not in known and delivery_id not in new:
                    new[delivery_id] = index
                    rows += [self._row(config, f"{m}/{version}") for m, version in versions]
            if new:
                noted = [{"id": each, "received": now} for each in new]
                insert = insert_into(session, Delivery.__table__).on_conflict_do_nothing()
                session.connection().execute(insert, noted)
            self._insert(session, rows)
            if now >= self._next_purge:
                self._purge(session)
        return [new.get(each) == index for index, (each, _) in enumerate(deliveries)]

    def rows(self, *states: str, since: float = 0.0, most: int | None = None) -> list[Fit]:
        """Those in these states (none: all), newest change first.

        Parameters
        ----------
        since : float
            Only those that changed then or later.
        most : int or None
            So many at most.
        """
        query = select(Fit).order_by(Fit.updated.desc(), Fit.id).limit(most)
        if states:
            query = query.where(Fit.state.in_(states))
        if since:
            query = query.where(Fit.updated >= since)
        with self.reads() as session:
            return list(session.scalars(query))

    def known(self) -> Iterator[KnownFit]:
        """All of them, a page at a time: each row is as it stands when its page is read."""
        query, last = select(*_KNOWN).order_by(Fit.id).limit(PAGE), 0
        while True:
            with self.reads() as session:
                page = session.execute(query.where(Fit.id > last)).all()
            for key, *rest in page:
                model, _, version = key.rpartition("/")
                yield KnownFit(model, int(version), *rest)
            if len(page) < PAGE:
                return
            last = page[-1].id
            time.sleep(PAUSE)

    def waiting(self, most: int) -> list[Fit]:
        """Those that run and those that are queued, in their order, so many at most."""
        with self.reads() as session:
            return [
                row
                for state in (RUNNING, QUEUED)
                for row in session.scalars(
                    select(Fit).where(Fit.state == state).order_by(Fit.due).limit(most)
                )
            ][:most]

    def _attempted(self, session: Session, job: Fit, outcome: str, ended: float) -> None:
        started = ended if job.started is None else job.started
        totals.count_attempt(session, outcome, max(0.0, ended - started))

    def _purge(self, session: Session) -> None:
        super()._purge(session)
        old = Delivery.received < self.clock() - KEEP_DELIVERIES
        session.execute(delete(Delivery).where(old))
