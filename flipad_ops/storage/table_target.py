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
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import DataError, ObjectGone, TargetError
from flipad_ops.samples.row import write_row
from flipad_ops.storage.table_files import VersionedFile, blocks
from flipad_ops.storage.target import GONE, Content, Item, Target

#: Blocks kept while their rows are on their way.
KEPT = 4


class TableTarget(Target):
    """Rows of a Parquet or CSV file.

    Parameters
    ----------
    file : str, Path or VersionedFile
    names : sequence of str
        Columns that are read: those of the attributors.
    uri : str
        As the user spelled the file's.
    """

    concurrency, holds_files = 1, False

    def __init__(
        self, file: str | Path | VersionedFile, names: Sequence[str], uri: str = ""
    ) -> None:
        self.file = Path(file) if isinstance(file, str) else file
        self.uri, self.names = uri or str(file), tuple(names)
        self.versioned = not isinstance(self.file, Path)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[str, tuple[str, dict[str, bytes]]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        file = self.file.absolute() if isinstance(self.file, Path) else self.file
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
        """The row's bytes, see `samples.row`."""
        folder, _, key = item.key.rpartition("/")
        with self._lock:
            if folder not in self._blocks:
                file, _ = self._now()
                self._keep(folder, _stamp(file), self._block(file, folder))
            stamp, rows = self._blocks[folder]
        if key not in rows:
            raise ObjectGone(GONE)
        return Content(rows[key], _etag(stamp, rows[key]))

    def earlier(self, item: Item, max_bytes: int) -> Iterator[bytes]:
        """The row in the version of the object that the item's ETag names, if it names one."""
        _, version, *rest = [*item.etag.split(" "), ""]
        if not isinstance(self.file, Path) and version and rest[0]:
            file = self.file.at(version)
            folder, _, key = item.key.rpartition("/")
            rows = self._block(file, folder)
            yield from [rows[key]] if key in rows else []

    def _block(self, file: Path | VersionedFile, folder: str) -> dict[str, bytes]:
        return next((rows for found, rows in self._read(file) if found == folder), {})

    def _read(self, file: Path | VersionedFile) -> Iterator[tuple[str, dict[str, bytes]]]:
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

    def _now(self) -> tuple[Path | VersionedFile, float]:
        """The file as it is now, and when it was written."""
        if not isinstance(self.file, Path):
            pinned = self.file.pinned()
            return pinned, pinned.modified
        try:
            return self.file, self.file.stat().st_mtime
        except OSError as error:
            raise TargetError(f"Cannot read {self.uri}: {error.strerror}.") from error


def _stamp(file: Path | VersionedFile) -> str:
    """ETag and version of an object, each followed by a space; "" for a local file."""
    if isinstance(file, Path):
        return ""
    return "".join(f"{part} " for part in (file.etag.strip('"'), file.version) if part)


def _etag(stamp: str, data: bytes) -> str:
    return stamp + hashlib.sha256(data).hexdigest()[:32]
