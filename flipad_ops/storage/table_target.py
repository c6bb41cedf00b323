"""A table whose rows are the samples, as a scan target.

Every row is an object with a key `FILE/rows-FIRST-LAST/NUMBER`, so that rows of one Parquet row
group (or of a thousand lines of CSV) stand under one prefix and are tested together like a folder.
The file may lie in a bucket; then its ETag and version are part of every row's ETag, which is how
a finding names the state of the object it was made in.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import DataError, ObjectGone, TargetError
from flipad_ops.samples.row import write_row
from flipad_ops.storage.s3_object import S3Object
from flipad_ops.storage.table_files import blocks
from flipad_ops.storage.target import GONE, Content, Item

#: Blocks kept while their rows are on their way.
KEPT = 4


class TableTarget:
    """Rows of a Parquet or CSV file.

    Parameters
    ----------
    file : str, Path or S3Object
    names : sequence of str
        Columns that are read: those of the attributors.
    """

    concurrency = 1

    def __init__(self, file: str | Path | S3Object, names: Sequence[str]) -> None:
        self.file = file if isinstance(file, S3Object) else Path(file)
        self.uri, self.names = str(file), tuple(names)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[str, tuple[str, dict[str, bytes]]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        file = self.file if isinstance(self.file, S3Object) else self.file.absolute()
        return TableTarget, (file, self.names), {"uri": self.uri}

    def list(self) -> Iterator[Item]:
        """One item a row, in the file's order; its ETag is its content's, after the object's."""
        file, modified = self._now()
        for folder, rows in self._read(file):
            with self._lock:
                self._keep(folder, _stamp(file), rows)
            for key, data in rows.items():
                yield Item(f"{folder}/{key}", len(data), modified, _etag(_stamp(file), data))

    def read(self, item: Item, max_bytes: int) -> Content:
        """The row's bytes, see `images.row`."""
        folder, _, key = item.key.rpartition("/")
        with self._lock:
            if folder not in self._blocks:
                file, _ = self._now()
                self._keep(folder, _stamp(file), self._block(file, folder))
            stamp, rows = self._blocks[folder]
        if key not in rows:
            raise ObjectGone(GONE)
        return Content(rows[key], _etag(stamp, rows[key]))

    def earlier(self, item: Item) -> Iterator[bytes]:
        """The row in the version of the object that the item's ETag names, if it names one.

        Raises
        ------
        ObjectGone
            That version was deleted.
        TargetError
        """
        _, version, *rest = [*item.etag.split(" "), ""]
        if isinstance(self.file, S3Object) and version and rest[0]:
            file = replace(self.file, version=version).pinned()
            folder, _, key = item.key.rpartition("/")
            rows = self._block(file, folder)
            yield from [rows[key]] if key in rows else []

    def _block(self, file: Path | S3Object, folder: str) -> dict[str, bytes]:
        return next((rows for found, rows in self._read(file) if found == folder), {})

    def _read(self, file: Path | S3Object) -> Iterator[tuple[str, dict[str, bytes]]]:
        try:
            for block in blocks(file, self.names):
                rows = {str(block.start + n): write_row(row) for n, row in enumerate(block.rows)}
                yield f"{file.name}/{block.name}", rows
        except DataError as error:
            raise TargetError(str(error)) from error

    def _keep(self, folder: str, stamp: str, rows: dict[str, bytes]) -> None:
        self._blocks[folder] = stamp, rows
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)

    def _now(self) -> tuple[Path | S3Object, float]:
        """The file as it is now, and when it was written."""
        if isinstance(self.file, S3Object):
            pinned = self.file.pinned()
            return pinned, pinned.modified
        try:
            return self.file, self.file.stat().st_mtime
        except OSError as error:
            raise TargetError(f"Cannot read {self.uri}: {error.strerror}.") from error


def _stamp(file: Path | S3Object) -> str:
    """ETag and version of an object, each followed by a space; "" for a local file."""
    if not isinstance(file, S3Object):
        return ""
    return "".join(f"{part} " for part in (file.etag.strip('"'), file.version) if part)


def _etag(stamp: str, data: bytes) -> str:
    return stamp + hashlib.sha256(data).hexdigest()[:32]
