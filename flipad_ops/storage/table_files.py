"""Rows of a table file in blocks: a Parquet file's row groups, a CSV file's lines in thousands.

Files are whatever opens as bytes: a path, or an object in a bucket.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol

from flipad_ops.common.errors import DataError, first_line
from flipad_ops.common.extras import need

#: Rows of a block of a CSV file.
BLOCK = 1000
#: Rows that one row group may hold: it is in memory at once, and a small file can claim any number.
MAX_GROUP = 1_000_000
SUFFIXES = (".parquet", ".csv")


class TableFile(Protocol):
    """A `Path`, or what is like one."""

    @property
    def suffix(self) -> str:
        """One of SUFFIXES."""
        ...

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """A seekable stream."""
        ...


class VersionedFile(TableFile, Protocol):
    """One whose states can be told apart and kept to."""

    @property
    def name(self) -> str:
        """Last part of its address."""
        ...

    @property
    def etag(self) -> str:
        """The state, once pinned."""
        ...

    @property
    def version(self) -> str:
        """How the state is asked for; empty where only the present one can be."""
        ...

    @property
    def modified(self) -> float:
        """Seconds since the epoch, once pinned."""
        ...

    def pinned(self) -> VersionedFile:
        """The file as it is now; raises ObjectGone and TargetError."""
        ...

    def at(self, version: str) -> VersionedFile:
        """The file as it was; raises ObjectGone and TargetError."""
        ...


@dataclass(frozen=True)
class Block:
    """Neighbouring rows.

    Parameters
    ----------
    start : int
        Number of the first row in the file, from 0.
    rows : list of mappings
        By column name; a CSV file's values are text.
    """

    start: int
    rows: list[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """First and last row, as keys of a scan hold it."""
        return f"rows-{self.start}-{self.start + len(self.rows) - 1}"


def header(file: TableFile) -> list[str]:
    """The file's column names.

    Raises
    ------
    DataError
        It cannot be read as a table.
    """
    try:
        if file.suffix == ".parquet":
            with _parquet(file) as table:
                return list(table.schema_arrow.names)
        with _text(file) as stream:
            return next(csv.reader(stream), [])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"{file} cannot be read as a table: {first_line(error).rstrip('.')}."
        ) from error


def missing(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """Wanted columns that a table with these names lacks."""
    there = set(names)
    return [name for name in wanted if name not in there]


def blocks(file: TableFile, names: Sequence[str]) -> Iterator[Block]:
    """The chosen columns, block by block; raises what `header` raises."""
    start = 0
    try:
        if file.suffix == ".parquet":
            with _parquet(file) as table:
                for group in range(table.num_row_groups):
                    count = table.metadata.row_group(group).num_rows
                    if count > MAX_GROUP:
                        raise ValueError(f"a row group holds {count} rows, over {MAX_GROUP}")
                    rows = table.read_row_group(group, columns=list(names)).to_pylist()
                    if rows:
                        yield Block(start, rows)
                    start += len(rows)
            return
        with _text(file) as stream:
            rows = []
            for record in csv.DictReader(stream):
                rows.append({name: record.get(name) for name in names})
                if len(rows) == BLOCK:
                    yield Block(start, rows)
                    start, rows = start + BLOCK, []
            if rows:
                yield Block(start, rows)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"{file} cannot be read as a table: {first_line(error).rstrip('.')}."
        ) from error


@contextmanager
def _parquet(file: TableFile) -> Iterator[Any]:
    need("tables", f"Reading {file}")
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with file.open("rb") as stream:
        try:
            with pq.ParquetFile(stream) as table:
                yield table
        except pa.ArrowException as error:
            raise ValueError(str(error)) from error


@contextmanager
def _text(file: TableFile) -> Iterator[IO[str]]:
    with file.open("rb") as binary, io.TextIOWrapper(binary, "utf-8-sig", newline="") as stream:
        yield stream
