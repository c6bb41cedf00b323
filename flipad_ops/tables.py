"""Rows of a table file in blocks: a Parquet file's row groups, a CSV file's lines in thousands."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flipad_ops.errors import DataError

#: Rows of a block of a CSV file.
BLOCK = 1000
SUFFIXES = (".parquet", ".csv")


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


def header(path: Path) -> list[str]:
    """The file's column names.

    Raises
    ------
    DataError
        It cannot be read as a table.
    """
    try:
        if path.suffix == ".parquet":
            with _parquet(path) as file:
                return list(file.schema_arrow.names)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return next(csv.reader(stream), [])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {_line(error)}.") from error


def blocks(path: Path, names: Sequence[str]) -> Iterator[Block]:
    """The chosen columns, block by block; raises what `header` raises."""
    start = 0
    try:
        if path.suffix == ".parquet":
            with _parquet(path) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, columns=list(names)).to_pylist()
                    if rows:
                        yield Block(start, rows)
                    start += len(rows)
            return
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = []
            for record in csv.DictReader(stream):
                rows.append({name: record.get(name) for name in names})
                if len(rows) == BLOCK:
                    yield Block(start, rows)
                    start, rows = start + BLOCK, []
            if rows:
                yield Block(start, rows)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {_line(error)}.") from error


def _parquet(path: Path) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
