"""What Prometheus reads at `/metrics`: the tables, so that it is the same from every process.

Each process that serves `/metrics` gives the numbers of all of them: take the maximum over
instances, not the sum.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks import totals
from registry_hooks.database import reading
from registry_hooks.metric_families import families

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Deliveries:
    """Deliveries by outcome, counted from several threads; totals are kept in the database.

    A forged delivery must not cost a write, so counts go there when somebody asks for them. A
    process that is killed loses those since the last time.
    """

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions, self._lock = sessions, threading.Lock()
        self._counts = Counter[str]()

    def count(self, outcome: str) -> None:
        """One more."""
        with self._lock:
            self._counts[outcome] += 1

    def keep(self) -> None:
        """Add the counts since the last call to the totals.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            The database does not answer; the counts wait for the next call.
        """
        with self._lock:
            new, self._counts = self._counts, Counter[str]()
        try:
            with self._sessions.begin() as session:
                totals.add(session, {("flipad_deliveries", "", each): new[each] for each in new})
        except SQLAlchemyError:
            with self._lock:
                self._counts += new
            raise


@dataclass(frozen=True)
class Tables(Collector):
    """Reads the tables at every scrape; without their database only `flipad_table_up 0`."""

    sessions: sessionmaker[Session]
    deliveries: Deliveries
    clock: Callable[[], float]

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        up = Metric("flipad_table_up", "Whether the work table answers.", "gauge")
        try:
            self.deliveries.keep()
            with reading(self.sessions)() as session:
                found = families(session, self.clock())
        except SQLAlchemyError:
            found = []
        up.add_sample("flipad_table_up", {}, float(bool(found)))
        yield up
        yield from found


def exposition(
    sessions: sessionmaker[Session], deliveries: Deliveries, clock: Callable[[], float]
) -> bytes:
    """The text format."""
    return generate_latest(Tables(sessions, deliveries, clock))
