"""A ledger in one SQLite file in WAL mode.

`run` and `position` say in which scan it was last listed, and where.
Without a file the same tables live in SQLite's own temporary store, so that memory stays flat.
"""

from __future__ import annotations

import json
import sqlite3
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution import testimony
from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.ledger import Batches, Known, Scored, refuse_other
from flipad_ops.scanning.ledger.sqlite_batches import SqliteBatches
from flipad_ops.scanning.ledger.sqlite_rows import (
    FIELDS,
    INDEX,
    MIGRATIONS,
    SCHEMA,
    VERSION,
    SqliteKnown,
    from_text,
    row_of,
    said,
    to_text,
)


class SqliteLedger:
    """Rows of this scan and of earlier ones over the same targets.

    Parameters
    ----------
    path : Path or None
        None keeps the rows only as long as the object lives.
    must_exist : bool
        Refuse to begin a new file (`--resume`).
    """

    def __init__(self, path: Path | None = None, *, must_exist: bool = False) -> None:
        self.path = path
        if path is not None and must_exist and not path.is_file():
            raise StateError(f"There is no ledger {path} to resume from.")
        if path is not None and not path.parent.is_dir():
            raise StateError(f"Folder {path.parent} for the ledger does not exist.")
        #: Why rows of this run may be lost to later ones; empty when all is well.
        self.trouble = ""
        self._names: tuple[str, ...] = ()
        self._db = self._connect()
        weakref.finalize(self, self._db.close)
        self.run = 0
        self._last_commit = time.monotonic()

    def begin(self, fingerprint: Mapping[str, Any]) -> None:
        self._names = tuple(fingerprint.get("models", ()))
        try:
            stored = self._db.execute("PRAGMA user_version").fetchone()[0]
            if stored > VERSION:
                raise StateError(
                    f"{self.path} has ledger format {stored}, this version of flipad_ops writes "
                    f"{VERSION}: install the version that wrote it, or begin a new ledger."
                )
            # Damage shows here, not when a scan is half done.
            (state,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise StateError(f"{self.path} is a damaged ledger: {state.splitlines()[0]}.")
            if stored == 0:
                if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise StateError(f"{self.path} is a database, but no ledger.")
                self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
                self._db.execute(
                    "INSERT INTO meta VALUES ('fingerprint', ?)",
                    [json.dumps(fingerprint, sort_keys=True)],
                )
            for version in range(stored or VERSION, VERSION):
                self._db.executescript(
                    f"BEGIN; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;"
                )
            self._db.executescript(INDEX)
            self._check(fingerprint)
            cursor = self._db.execute("INSERT INTO runs (started) VALUES (?)", [time.time()])
            self.run = int(cursor.lastrowid or 0)
            self.commit()
        except (sqlite3.DatabaseError, ValueError, AttributeError) as error:
            raise StateError(f"{self.path} cannot be used as a ledger: {error}.") from error

    @property
    def batches(self) -> Batches | None:
        return SqliteBatches(self._db, self.run)

    def finish(self, complete: bool) -> None:
        self._db.execute(
            "UPDATE runs SET finished = ?, complete = ? WHERE id = ?",
            [time.time(), complete, self.run],
        )
        self.commit()

    def add(self, row: Row, position: int) -> None:
        self._db.execute(
            f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * 17)})",  # noqa: S608
            [
                to_text(row.target), to_text(row.key), row.attributor, self.run, position, row.size,
                row.etag, row.sha256, row.outcome, row.reason, row.score, row.p, row.attributed,
                row.converged, time.time(), testimony.to_text(row.testimony),
                json.dumps(row.stated.to_dict()) if row.stated else None,
            ],
        )  # fmt: skip

    def keep(self, target: str, kept: Sequence[tuple[str, int]]) -> int:
        place = to_text(target)
        texts = [(to_text(key), position) for key, position in kept]
        self._db.executemany(
            "UPDATE rows SET run = ?, position = ? WHERE target = ? AND key = ? AND attributor = ?",
            [(self.run, at, place, key, name) for key, at in texts for name in self._names],
        )
        (attributed,) = self._db.execute(
            "SELECT count(*) FROM rows WHERE target = ? AND attributed AND run = ? "
            "AND key IN (SELECT value FROM json_each(?))",
            [place, self.run, json.dumps([key for key, _ in texts])],
        ).fetchone()
        return int(attributed)

    def by_content(self, attributor: str, sha256: str) -> Scored | None:
        found = self._db.execute(
            "SELECT score, p, attributed, converged, reason, testimony FROM rows "
            "WHERE sha256 = ? AND attributor = ? AND outcome = 'scored' LIMIT 1",
            [sha256, attributor],
        ).fetchone()
        if found is None:
            return None
        score, p, attributed, converged, reason, text = found
        return Scored(score, p, bool(attributed), bool(converged), reason, said(text))

    def commit(self, every: float = 0.0) -> None:
        if time.monotonic() - self._last_commit >= every:
            self._db.commit()
            self._last_commit = time.monotonic()

    def settle(self) -> None:
        self.commit()

    def rows(
        self, outcome: str, attributor: str | None = None, *, suspects: bool = False
    ) -> Iterator[Row]:
        where, values = "run = ? AND outcome = ?", [self.run, outcome]
        if attributor is not None:
            where, values = where + " AND attributor = ?", [*values, attributor]
        if suspects:
            where += " AND attributed"
        for record in self._db.execute(
            f"SELECT {FIELDS} FROM rows WHERE {where} ORDER BY position, attributor",  # noqa: S608
            values,
        ):
            yield row_of(record)

    def stating(self) -> Iterator[Row]:
        for record in self._db.execute(
            f"SELECT {FIELDS} FROM rows WHERE run = ? AND stated IS NOT NULL "  # noqa: S608
            "ORDER BY position, attributor",
            [self.run],
        ):
            yield row_of(record)

    def counts(self) -> dict[str, int]:
        found = self._db.execute(
            "SELECT outcome, count(*), sum(NOT converged) FROM rows WHERE run = ? GROUP BY outcome",
            [self.run],
        ).fetchall()
        unconverged = sum(unsure or 0 for _, _, unsure in found)
        none = {"scored": 0, "skipped": 0, "failed": 0, "unconverged": unconverged}
        return none | {outcome: count for outcome, count, _ in found}

    def objects(self) -> tuple[int, int, list[tuple[str, int]]]:
        found = self._db.execute(
            "SELECT best, reason, count(*) FROM (SELECT max(CASE outcome WHEN 'scored' THEN 2 "
            "WHEN 'failed' THEN 1 ELSE 0 END) AS best, CASE WHEN min(outcome) = 'skipped' THEN "
            "min(reason) END AS reason FROM rows WHERE run = ? GROUP BY target, key) "
            "GROUP BY best, reason",
            [self.run],
        ).fetchall()
        scored, failed = (sum(n for best, _, n in found if best == which) for which in (2, 1))
        return scored, failed, [(reason or "", n) for best, reason, n in found if best == 0]

    def evidence(self, attributor: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        found = self._scored("p, attributed", attributor)
        table = np.fromiter(found, dtype=[("p", np.float64), ("attributed", np.bool_)])
        return np.ascontiguousarray(table["p"]), np.ascontiguousarray(table["attributed"])

    def contents(self, attributor: str) -> Iterator[tuple[str, float]]:
        alone = "CASE WHEN sha256 = '' THEN position END"
        return iter(self._scored("sha256, max(p)", attributor, end=f"GROUP BY sha256, {alone}"))

    def judged(self, attributor: str, cut: float) -> Iterator[tuple[str, str, bool, bool]]:
        chosen = "key, sha256, attributed, attributed AND p <= ?"
        found = self._scored(chosen, attributor, cut, end="ORDER BY sha256")
        return ((from_text(key), *rest) for key, *rest in found)

    def reader(self) -> Known | None:
        if self.path is None or self.run < 2:
            return None
        return SqliteKnown(self._connect(), self._names)

    def close(self) -> None:
        """Commit and close; `rows` cannot be used any more."""
        self._db.commit()
        self._db.close()

    def _scored(
        self, columns: str, attributor: str, *values: float, end: str = ""
    ) -> sqlite3.Cursor:
        return self._db.execute(
            f"SELECT {columns} FROM rows "  # noqa: S608
            f"WHERE run = ? AND outcome = 'scored' AND attributor = ? {end}",
            [*values, self.run, attributor],
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                "" if self.path is None else self.path, timeout=30, check_same_thread=False
            )
            db.execute("PRAGMA cache_size = -16000")  # KB: conclusions read every row of a run
            if self.path is None:
                db.execute("PRAGMA synchronous = OFF")
            else:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite3's own message
            raise StateError(f"{self.path} cannot be used as a ledger: {error}.") from error
        return db

    def _check(self, fingerprint: Mapping[str, Any]) -> None:
        found = self._db.execute("SELECT value FROM meta WHERE name = 'fingerprint'").fetchone()
        before = json.loads(found[0]) if found else {}
        refuse_other(before, fingerprint, str(self.path))
        models = {**before.get("models", {}), **fingerprint.get("models", {})}
        if models != before.get("models", {}):
            self._db.execute(
                "UPDATE meta SET value = ? WHERE name = 'fingerprint'",
                [json.dumps({**before, "models": models}, sort_keys=True)],
            )
