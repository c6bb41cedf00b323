"""A ledger in a Delta table: while scanning a SQLite one at hand, appended to the table in parts.

The table's rows are the earlier run of the SQLite ledger; the newest row of an object counts. What
a scan adds waits in an outbox until enough has gathered. When the table cannot be written the
scan goes on and tries again; if that fails to the end, `trouble` says so.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flipad_ops.attribution.scorer import in_registry
from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.delta.delta_table import COLUMNS, DeltaRows
from flipad_ops.scanning.ledger.delta.place import Place
from flipad_ops.scanning.ledger.ledger import refuse_other
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger

#: Rows wait in the outbox until there are so many, or so many seconds have passed.
ROWS, SECONDS = 5_000, 10.0
#: Seconds until a table that could not be written is tried again.
PATIENCE = 60.0
#: Rows of one commit at most.
PART = 50_000

_NAMES = ", ".join(COLUMNS)
_SEED = (
    f"INSERT INTO rows ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608
    "ON CONFLICT (target, key, attributor) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
    + " WHERE excluded.at >= at"
)
_OUTBOX = """
CREATE TABLE outbox AS SELECT * FROM rows WHERE 0;
CREATE TEMP TRIGGER sent AFTER INSERT ON rows BEGIN
    INSERT INTO outbox SELECT * FROM rows
    WHERE target = NEW.target AND key = NEW.key AND attributor = NEW.attributor;
END;
"""


class DeltaLedger(SqliteLedger):
    """Rows of this scan and of all others, by whatever process, over the same targets.

    Parameters
    ----------
    place : Place
    path : Path
        A new SQLite file for as long as the scan runs.
    must_exist : bool
        Refuse to begin a new table (`--resume`).
    """

    def __init__(self, place: Place, path: Path, *, must_exist: bool = False) -> None:
        self.table = DeltaRows(place)
        if must_exist and not self.table.exists():
            raise StateError(f"There is no ledger {place.text} to resume from.")
        place.check()
        super().__init__(path)
        self._db.execute("PRAGMA synchronous = OFF")  # nobody reads it after a crash
        self._name = uuid.uuid4().hex
        self._unsent, self._last_sent = 0, time.monotonic()

    def begin(self, fingerprint: Mapping[str, Any]) -> None:
        """See `Ledger.begin`; shards of one scan share a ledger.

        Which files made the rows of later attributors is not recorded in the table, so one that
        is in no registry, where versions do not change, must be the one that began it.
        """
        filters = {k: v for k, v in fingerprint.get("filters", {}).items() if k != "shard"}
        shared = {**fingerprint, "filters": filters}
        before = self.table.open(shared)
        refuse_other(before, shared, self.table.place.text)
        for name in shared.get("models", {}):
            if name not in before.get("models", {}) and not in_registry(name):
                raise StateError(
                    f"{self.table.place.text} was begun with another attributor than {name}, which "
                    "is in no registry: begin a new ledger."
                )
        super().begin(shared)
        self._seed(self.table.batches())
        super().begin(shared)
        self._db.executescript(_OUTBOX)

    @property
    def batches(self) -> None:
        """None: scans at once would spend the same level."""
        return

    def add(self, row: Row, position: int) -> None:
        """See `Ledger.add`."""
        super().add(row, position)
        self._unsent += 1

    def commit(self, every: float = 0.0) -> None:
        """See `Ledger.commit`; rows reach the table when enough have gathered."""
        super().commit(every)
        if not self._unsent:
            return
        waited = time.monotonic() - self._last_sent
        enough = waited >= SECONDS or self._unsent >= ROWS
        if waited >= PATIENCE if self.trouble else enough:
            self._send()

    def settle(self) -> None:
        """See `Ledger.settle`; sends what waits."""
        super().settle()
        self._send()

    def finish(self, complete: bool) -> None:
        """See `Ledger.finish`."""
        super().finish(complete)
        self.table.tidy()

    def _seed(self, batches: Iterable[list[list[Any]]]) -> None:
        """Take the table's rows in as this run's, without journal and index: twice as fast."""
        db, run, named = self._db, *map(list(COLUMNS).index, ("run", "attributor"))
        (index,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'contents'").fetchone()
        db.executescript("PRAGMA journal_mode = OFF; DROP INDEX contents;")
        asked = set(self._names)
        for columns in batches:
            columns[run] = [self.run if name in asked else 0 for name in columns[named]]
            db.executemany(_SEED, zip(*columns, strict=True))
        db.execute(index)
        db.commit()
        db.execute("PRAGMA journal_mode = WAL")

    def _send(self) -> None:
        self._last_sent = time.monotonic()
        while found := self._db.execute(
            f"SELECT rowid, {_NAMES} FROM outbox ORDER BY rowid LIMIT {PART}"  # noqa: S608
        ).fetchall():
            try:
                self.table.append([self._typed(row) for _, *row in found])
            except StateError as error:
                self.trouble = f"{error} {self._unsent} rows of this scan are not in it."
                return
            self._db.execute("DELETE FROM outbox WHERE rowid <= ?", [found[-1][0]])
            self._unsent -= len(found)
        self.trouble = ""

    def _typed(self, row: list[Any]) -> list[Any]:
        """SQLite knows neither the run's name nor truth values."""
        values = dict(zip(COLUMNS, row, strict=True)) | {"run": self._name}
        for name in ("attributed", "converged"):
            values[name] = None if values[name] is None else bool(values[name])
        return list(values.values())
