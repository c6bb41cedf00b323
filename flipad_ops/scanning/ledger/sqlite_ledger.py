"""The ledger: what became of every object, kept while scanning and between scans.

One SQLite file in WAL mode. A row belongs to one target, key and attributor and is replaced when
the object's ETag changes; `run` and `position` say in which scan it was last listed, and where.
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

from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.records import Row

VERSION = 1

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, finished REAL, complete INTEGER);
CREATE TABLE rows (
    target TEXT NOT NULL, key TEXT NOT NULL, attributor TEXT NOT NULL,
    run INTEGER NOT NULL, position INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    sha256 TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    score REAL, p REAL, attributed INTEGER, converged INTEGER, at REAL NOT NULL,
    PRIMARY KEY (target, key, attributor)
) WITHOUT ROWID;
CREATE INDEX contents ON rows (sha256, attributor) WHERE outcome = 'scored';
"""

_FIELDS = (
    "key, target, size, outcome, attributor, reason, sha256, etag, score, p, attributed, converged"
)


class Ledger:
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
        """Start a run; the ledger must have been made for the same filters.

        Attributors may be others than before: rows of each are kept apart. One of the same name
        and version must have the same files.

        Raises
        ------
        StateError
            It was not, or the file is none of ours or of a later format.
        """
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
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
                self._db.execute(
                    "INSERT INTO meta VALUES ('fingerprint', ?)",
                    [json.dumps(fingerprint, sort_keys=True)],
                )
            self._check(fingerprint)
            cursor = self._db.execute("INSERT INTO runs (started) VALUES (?)", [time.time()])
            self.run = int(cursor.lastrowid or 0)
            self.commit()
        except (sqlite3.DatabaseError, ValueError, AttributeError) as error:
            raise StateError(f"{self.path} cannot be used as a ledger: {error}.") from error

    def finish(self, complete: bool) -> None:
        """Close the run."""
        self._db.execute(
            "UPDATE runs SET finished = ?, complete = ? WHERE id = ?",
            [time.time(), complete, self.run],
        )
        self.commit()

    def add(self, row: Row, position: int) -> None:
        """Put a row, replacing what was known of the object."""
        self._db.execute(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                _text(row.target), _text(row.key), row.attributor, self.run, position, row.size,
                row.etag, row.sha256, row.outcome, row.reason, row.score, row.p, row.attributed,
                row.converged, time.time(),
            ],
        )  # fmt: skip

    def keep(self, target: str, kept: Sequence[tuple[str, int]]) -> None:
        """Take rows of earlier runs into this one; (key, position) pairs."""
        self._db.executemany(
            "UPDATE rows SET run = ?, position = ? WHERE target = ? AND key = ? AND attributor = ?",
            [
                (self.run, position, _text(target), _text(key), name)
                for key, position in kept
                for name in self._names
            ],
        )

    def by_content(
        self, attributor: str, sha256: str
    ) -> tuple[float, float, bool, bool, str] | None:
        """(score, p, attributed, converged, reason) of the same bytes under any key."""
        found = self._db.execute(
            "SELECT score, p, attributed, converged, reason FROM rows "
            "WHERE sha256 = ? AND attributor = ? AND outcome = 'scored' LIMIT 1",
            [sha256, attributor],
        ).fetchone()
        if found is None:
            return None
        return found[0], found[1], bool(found[2]), bool(found[3]), found[4]

    def commit(self, every: float = 0.0) -> None:
        """Make rows durable, if the last time is more than `every` seconds ago."""
        if time.monotonic() - self._last_commit >= every:
            self._db.commit()
            self._last_commit = time.monotonic()

    def settle(self) -> None:
        """Make all rows durable: the scan ends, well or not."""
        self.commit()

    def rows(
        self, outcome: str, attributor: str | None = None, *, suspects: bool = False
    ) -> Iterator[Row]:
        """Rows of this run in listing order; with `suspects` only attributed ones."""
        where, values = "run = ? AND outcome = ?", [self.run, outcome]
        if attributor is not None:
            where, values = where + " AND attributor = ?", [*values, attributor]
        if suspects:
            where += " AND attributed"
        for record in self._db.execute(
            f"SELECT {_FIELDS} FROM rows WHERE {where} ORDER BY position, attributor",  # noqa: S608
            values,
        ):
            yield _row(record)

    def counts(self) -> dict[str, int]:
        """Rows of this run by outcome; `unconverged`: scores from unfinished inversions."""
        found = self._db.execute(
            "SELECT outcome, count(*), sum(NOT converged) FROM rows WHERE run = ? GROUP BY outcome",
            [self.run],
        ).fetchall()
        unconverged = sum(unsure or 0 for _, _, unsure in found)
        none = {"scored": 0, "skipped": 0, "failed": 0, "unconverged": unconverged}
        return none | {outcome: count for outcome, count, _ in found}

    def evidence(self, attributor: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """p-values (m,) and attributed (m,) of this run's scored rows, in no order."""
        found = self._scored("p, attributed", attributor)
        table = np.fromiter(found, dtype=[("p", np.float64), ("attributed", np.bool_)])
        return np.ascontiguousarray(table["p"]), np.ascontiguousarray(table["attributed"])

    def judged(self, attributor: str, cut: float) -> Iterator[tuple[str, bool, bool]]:
        """(key, attributed, attributed with p <= cut) of this run's scored rows, in no order."""
        found = self._scored("key, attributed, attributed AND p <= ?", attributor, cut)
        return ((_name(key), attributed, leak) for key, attributed, leak in found)

    def reader(self) -> Known | None:
        """Lookups for another thread; None when there can be no earlier rows."""
        if self.path is None or self.run < 2:
            return None
        return Known(self._connect(), self._names)

    def close(self) -> None:
        """Commit and close; `rows` cannot be used any more."""
        self._db.commit()
        self._db.close()

    def _scored(self, columns: str, attributor: str, *values: float) -> sqlite3.Cursor:
        return self._db.execute(
            f"SELECT {columns} FROM rows "  # noqa: S608
            "WHERE run = ? AND outcome = 'scored' AND attributor = ?",
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


def refuse_other(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raise StateError when a ledger was made for another fingerprint.

    "models" maps attributors to the hash of their files: those named in both must agree.
    """
    now = json.loads(json.dumps(now))
    models, earlier = now.get("models", {}), before.get("models", {})
    other = sorted(name for name in models if earlier.get(name, models[name]) != models[name])
    if other:
        raise StateError(
            f"{where} holds scores of {other[0]} with other files: begin a new ledger."
        )
    keys = {*before, *now} - {"models"}
    changed = sorted(k for k in keys if before.get(k) != now.get(k))
    if changed:
        raise StateError(
            f"{where} was made with another choice of {', '.join(changed)}: scan with the "
            "same one, or begin a new ledger."
        )


class Known:
    """What earlier runs know of the attributors `names`, read through a connection of its own."""

    def __init__(self, db: sqlite3.Connection, names: Sequence[str]) -> None:
        self._db, self._names = db, list(names)

    def unchanged(self, target: str, etags: Mapping[str, str]) -> set[str]:
        """Keys that each attributor scored or skipped at this ETag; failed ones are tried again."""
        found: dict[str, int] = {}
        names = {_text(key): key for key in etags if etags[key]}
        chosen = list(names)
        for start in range(0, len(chosen), 500):
            part = chosen[start : start + 500]
            marks, asked = (",".join("?" * len(values)) for values in (part, self._names))
            for key, etag in self._db.execute(
                "SELECT key, etag FROM rows WHERE target = ? AND outcome != 'failed' "  # noqa: S608
                f"AND key IN ({marks}) AND attributor IN ({asked})",
                [_text(target), *part, *self._names],
            ):
                if etag == etags[names[key]]:
                    found[key] = found.get(key, 0) + 1
        return {names[key] for key, count in found.items() if count == len(self._names)}

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def _row(record: Sequence[Any]) -> Row:
    *plain, attributed, converged = record
    flags = (None if f is None else bool(f) for f in (attributed, converged))
    key, target, *rest = plain
    return Row(_name(key), _name(target), *rest, *flags)


def _text(name: str) -> str:
    # File names may hold bytes that are no UTF-8 (lone surrogates here); SQLite text may not.
    try:
        name.encode()
    except UnicodeEncodeError:
        return "\0" + name.encode("utf-8", "surrogateescape").hex()
    return name


def _name(text: str) -> str:
    if text.startswith("\0"):
        return bytes.fromhex(text[1:]).decode("utf-8", "surrogateescape")
    return text
