"""The batches of a SQLite ledger: which contents which scan has tested, and at which level."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.groups import PrefixTest
from flipad_ops.scanning.decisions.over_time import Batch
from flipad_ops.scanning.ledger.sqlite_rows import to_text


class SqliteBatches:
    """See `Batches`.

    Parameters
    ----------
    db : sqlite3.Connection
        Of a ledger that has begun a run.
    run : int
        That run.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self, db: sqlite3.Connection, run: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._db, self._run, self.now = db, run, clock

    def history(self) -> list[Batch]:
        """See `Batches.history`."""
        found = self._db.execute("SELECT id, at, level, tests, decided FROM batches ORDER BY id")
        kinds = (int, float, float, int, float)
        try:
            return [Batch(*(kind(v) for kind, v in zip(kinds, row, strict=True))) for row in found]
        except (ValueError, TypeError) as error:
            raise StateError(f"The ledger is damaged: a batch of it is none: {error}.") from error

    def untested(self, attributor: str) -> Iterator[tuple[str, float]]:
        """See `Batches.untested`."""
        content = "CASE WHEN sha256 = '' THEN 'key:' || key ELSE sha256 END"
        return iter(
            self._db.execute(
                f"SELECT {content} AS content, max(p) FROM rows "  # noqa: S608
                "WHERE run = ? AND outcome = 'scored' AND attributor = ? AND NOT EXISTS (SELECT 1 "
                f"FROM tested WHERE tested.attributor = rows.attributor AND content = {content}) "
                "GROUP BY content",
                [self._run, attributor],
            )
        )

    def decision(self, attributor: str, sha256: str, key: str) -> tuple[int, float] | None:
        """See `Batches.decision`."""
        found = self._db.execute(
            "SELECT batch, q FROM tested WHERE attributor = ? AND content = ?",
            [attributor, sha256 or f"key:{to_text(key)}"],
        ).fetchone()
        return None if found is None else (int(found[0]), float(found[1]))

    def called(self) -> list[tuple[str, PrefixTest]]:
        """See `Batches.called`."""
        try:
            return [
                (name, PrefixTest(**test))
                for (text,) in self._db.execute("SELECT called FROM batches ORDER BY id")
                for name, test in json.loads(text)
            ]
        except (ValueError, TypeError) as error:
            raise StateError(f"The ledger is damaged: its groups cannot be read: {error}.") from (
                error
            )

    def record(
        self,
        batch: Batch,
        tested: Iterable[tuple[str, str, float]],
        called: Sequence[tuple[str, PrefixTest]],
    ) -> None:
        """See `Batches.record`."""
        self._db.commit()
        with self._db:  # one transaction: all of it, or nothing
            groups = json.dumps([(name, vars(test)) for name, test in called])
            self._db.execute(
                "INSERT INTO batches (id, at, level, tests, decided, run, called) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [*vars(batch).values(), self._run, groups],
            )
            self._db.executemany(
                "INSERT INTO tested (batch, attributor, content, q) VALUES (?, ?, ?, ?)",
                ((batch.number, *test) for test in tested),
            )
