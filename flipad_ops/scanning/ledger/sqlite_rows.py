"""The table of a SQLite ledger: schema, rows to records and back, look-ups beside a scan."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.attribution.testimony import from_text as testimony_from_text
from flipad_ops.common.errors import RecordAltered, StateError
from flipad_ops.common.untrusted_json import parse
from flipad_ops.provenance import Stated
from flipad_ops.scanning.decisions.records import Row, replace_row

VERSION = 4

#: The batches of tests whose levels share a year, and the content and attributor of every test.
_BATCHES = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at REAL NOT NULL, level REAL NOT NULL,
    tests INTEGER NOT NULL, decided REAL NOT NULL, called TEXT NOT NULL
);
CREATE TABLE tested (
    attributor TEXT NOT NULL, content TEXT NOT NULL, batch INTEGER NOT NULL, q REAL NOT NULL,
    PRIMARY KEY (attributor, content)
) WITHOUT ROWID;
"""

SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, finished REAL, complete INTEGER);
CREATE TABLE rows (
    target TEXT NOT NULL, key TEXT NOT NULL, attributor TEXT NOT NULL,
    run INTEGER NOT NULL, position INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    sha256 TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    score REAL, p REAL, attributed INTEGER, converged INTEGER, at REAL NOT NULL,
    testimony TEXT, stated TEXT,
    PRIMARY KEY (target, key, attributor)
) WITHOUT ROWID;
CREATE INDEX contents ON rows (sha256, attributor) WHERE outcome = 'scored';
{_BATCHES}"""

#: What brings a ledger of an earlier version to the next.
MIGRATIONS = {
    1: "ALTER TABLE rows ADD COLUMN testimony TEXT;",
    2: _BATCHES,
    3: "ALTER TABLE rows ADD COLUMN stated TEXT;",
}

#: By which the rows of an attributor are found, and its suspects without a look at the rest.
#: Earlier versions, which know nothing of it, can go on with the ledger.
INDEX = """
CREATE INDEX IF NOT EXISTS listed ON rows (run, outcome, attributor, position);
CREATE INDEX IF NOT EXISTS stating ON rows (run, position) WHERE stated IS NOT NULL;
CREATE INDEX IF NOT EXISTS suspects ON rows (run, outcome, attributor, position) WHERE attributed;
"""

FIELDS = (
    "key, target, size, outcome, attributor, reason, sha256, etag, score, p, attributed, "
    "converged, testimony, stated"
)


class SqliteKnown:
    """What earlier runs know of the attributors `names`, read through a connection of its own."""

    def __init__(self, db: sqlite3.Connection, names: Sequence[str]) -> None:
        self._db, self._names = db, list(names)

    def unchanged(self, target: str, etags: Mapping[str, str]) -> set[str]:
        """See `Known.unchanged`."""
        found: dict[str, int] = {}
        names = {to_text(key): key for key in etags if etags[key]}
        chosen = list(names)
        for start in range(0, len(chosen), 500):
            part = chosen[start : start + 500]
            marks, asked = (",".join("?" * len(values)) for values in (part, self._names))
            for key, etag in self._db.execute(
                "SELECT key, etag FROM rows WHERE target = ? AND outcome != 'failed' "  # noqa: S608
                f"AND key IN ({marks}) AND attributor IN ({asked})",
                [to_text(target), *part, *self._names],
            ):
                if etag == etags[names[key]]:
                    found[key] = found.get(key, 0) + 1
        return {names[key] for key, count in found.items() if count == len(self._names)}

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def row_of(record: Sequence[Any]) -> Row:
    """A record of FIELDS as a row."""
    key, target, *plain, attributed, converged, text, stated = record
    flags = (None if f is None else bool(f) for f in (attributed, converged))
    row = Row(from_text(key), from_text(target), *plain, *flags)
    if text is not None:
        row = replace_row(row, testimony=said(text))
    return row if stated is None else replace_row(row, stated=_stated(stated))


def _stated(text: str) -> Stated:
    try:
        return Stated.from_dict(parse(text))
    except ValueError as error:
        raise StateError(f"The ledger is damaged: {error}") from error


def said(text: str | None) -> Testimony | None:
    """A testimony as it stands in a ledger.

    Raises
    ------
    StateError
        It does not stand there as it was written.
    """
    try:
        return testimony_from_text(text)
    except RecordAltered as error:
        raise StateError(f"The ledger is damaged: {error}") from error


def to_text(name: str) -> str:
    """A name as SQLite text, which must be UTF-8; file names (lone surrogates here) may not be."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        return "\0" + name.encode("utf-8", "surrogateescape").hex()
    return name


def from_text(text: str) -> str:
    """The inverse of `to_text`."""
    if text.startswith("\0"):
        return bytes.fromhex(text[1:]).decode("utf-8", "surrogateescape")
    return text
