"""The Delta table of a ledger: append-only rows, and what it was made for in its properties."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import FlipadError, StateError
from flipad_ops.common.extras import need
from flipad_ops.scanning.ledger.delta.place import Place
from flipad_ops.storage.s3.failures import explain

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from deltalake import DeltaTable

FINGERPRINT = "flipadops.fingerprint"
#: Columns of the table; `run` names one scan by one process, `at` is in seconds since the epoch.
COLUMNS = {
    "target": "string", "key": "string", "attributor": "string", "run": "string",
    "position": "int64", "size": "int64", "etag": "string", "sha256": "string",
    "outcome": "string", "reason": "string", "score": "float64", "p": "float64",
    "attributed": "bool_", "converged": "bool_", "at": "float64",
    "testimony": "string", "stated": "string",
}  # fmt: skip
#: Columns that tables of earlier versions lack.
ADDED = ("testimony", "stated")
#: A scan that ends merges the files when there are so many, rows in groups of so many.
MANY_FILES, ROW_GROUP = 64, 50_000
_ALREADY = "already exists"


class DeltaRows:
    """Rows of all scans at one place; opened by `open`.

    Parameters
    ----------
    place : Place

    Raises
    ------
    ExtraMissing
        The package deltalake is not installed.
    """

    def __init__(self, place: Place) -> None:
        need("delta", f"The ledger {place.text}")
        self.place = place
        self._table: DeltaTable | None = None
        self._options: dict[str, str] = {}

    def exists(self) -> bool:
        """Whether somebody began the table."""
        from deltalake import DeltaTable

        with self._errors("opened"):
            return DeltaTable.is_deltatable(self.place.uri, self.place.options())

    def open(self, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        """Open the table, or begin it for `fingerprint`; returns what it was made for."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        with self._errors("opened"):
            self._options = self.place.options()
            if not DeltaTable.is_deltatable(self.place.uri, self._options):
                try:
                    DeltaTable.create(
                        self.place.uri,
                        _schema(),
                        name="flipadops scan ledger",
                        configuration={FINGERPRINT: json.dumps(fingerprint, sort_keys=True)},
                        storage_options=self._options,
                        raise_if_key_not_exists=False,
                    )
                except DeltaError as error:  # another scan was first: its table counts
                    if _ALREADY not in str(error):
                        raise
            self._table = DeltaTable(self.place.uri, storage_options=self._options)
            if FINGERPRINT in self._table.metadata().configuration:
                self._table = self._widened(self._table)
            found = self._table.metadata().configuration.get(FINGERPRINT)
        if found is None:
            raise StateError(f"{self.place.text} is a Delta table, but no ledger.")
        known: dict[str, Any] = json.loads(found)
        return known

    def batches(self) -> Iterator[list[list[Any]]]:
        """All rows, superseded ones too, in no order; parts of them as columns."""
        import pyarrow as pa
        from deltalake import QueryBuilder

        with self._errors("read"):
            query = QueryBuilder().register("ledger", self._current())
            columns = ", ".join(f'"{name}"' for name in COLUMNS)
            for batch in query.execute(f"SELECT {columns} FROM ledger"):  # noqa: S608
                yield [column.to_pylist() for column in pa.record_batch(batch).columns]

    def append(self, rows: Sequence[Sequence[Any]]) -> None:
        """Commit rows, tuples in the order of COLUMNS; other scans may append at any time.

        Raises
        ------
        StateError
            Nothing was written as far as we know.
        """
        import pyarrow as pa
        from deltalake import write_deltalake

        schema = _schema()
        columns = zip(*rows, strict=True)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
        ]
        with self._errors("written"):
            table = self._current()
            write_deltalake(table, pa.table(arrays, schema=schema), mode="append")

    def tidy(self) -> None:
        """Make one file of many small ones, and delete what was merged a week ago."""
        from deltalake import WriterProperties
        from deltalake.exceptions import DeltaError

        # Small groups of rows: a scan that begins reads whole ones.
        properties = WriterProperties(max_row_group_size=ROW_GROUP)
        # Another scan may be at it, or we may not delete: the table is whole either way.
        with suppress(StateError, DeltaError, OSError):
            table = self._current()
            table.update_incremental()
            if len(table.file_uris()) >= MANY_FILES:
                table.optimize.compact(writer_properties=properties)
                table.vacuum(dry_run=False)

    def _current(self) -> DeltaTable:
        """The table with credentials that are valid now."""
        from deltalake import DeltaTable

        options = self.place.options()
        if self._table is None or options != self._options:
            self._options = options
            self._table = DeltaTable(self.place.uri, storage_options=options)
        return self._table

    def _widened(self, table: DeltaTable) -> DeltaTable:
        """The table with the columns that have been added since it was begun."""
        from deltalake import DeltaTable, Field
        from deltalake.exceptions import DeltaError
        from deltalake.schema import PrimitiveType

        def missing(table: DeltaTable) -> list[Field]:
            there = {field.name for field in table.schema().fields}
            return [Field(name, PrimitiveType("string")) for name in ADDED if name not in there]

        if fields := missing(table):
            try:
                table.alter.add_columns(fields)
            except DeltaError:  # another scan may have been first
                table = DeltaTable(self.place.uri, storage_options=self._options)
                if missing(table):
                    raise
        return table

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except FlipadError:
            raise
        except Exception as error:  # delta-rs raises bare ones, too
            self._table = None
            reason = explain(error, self.place.text)
            raise StateError(f"The ledger cannot be {what}: {reason}") from error


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
