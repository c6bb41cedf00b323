"""A table whose rows are the samples, as a scan target; and how it is told from a manifest.

Every row is an object with a key `FILE/rows-FIRST-LAST/NUMBER`, so that rows of one Parquet row
group (or of a thousand lines of CSV) stand under one prefix and are tested together like a folder.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flipad_ops.columns import Columns
from flipad_ops.errors import DataError, ObjectGone, TargetError, UsageError
from flipad_ops.images.row import write_row
from flipad_ops.scanning.request import ScanRequest
from flipad_ops.scanning.scorer import Scorer, label
from flipad_ops.scanning.targets.base import GONE, Content, Item, Target
from flipad_ops.scanning.targets.local import LocalTarget
from flipad_ops.scanning.targets.manifest import NAMES, ManifestTarget
from flipad_ops.tables import SUFFIXES, blocks, header

#: Blocks kept while their rows are on their way.
KEPT = 4


class TableTarget:
    """Rows of a Parquet or CSV file.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Columns that are read: those of the attributors.
    """

    concurrency = 1

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        self.path, self.uri, self.names = Path(path), str(path), tuple(names)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[str, dict[str, bytes]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return TableTarget, (self.path.absolute(), self.names), {"uri": self.uri}

    def list(self) -> Iterator[Item]:
        """One item a row, in the file's order; its ETag is its content's."""
        modified = self._modified()
        for folder, rows in self._read():
            with self._lock:
                self._keep(folder, rows)
            for key, data in rows.items():
                etag = hashlib.sha256(data).hexdigest()[:32]
                yield Item(f"{folder}/{key}", len(data), modified, etag)

    def read(self, item: Item, max_bytes: int) -> Content:
        """The row's bytes, see `images.row`."""
        folder, _, key = item.key.rpartition("/")
        with self._lock:
            if folder not in self._blocks:
                for found, rows in self._read():
                    if found == folder:
                        self._keep(folder, rows)
                        break
            data = self._blocks.get(folder, {}).get(key)
        if data is None:
            raise ObjectGone(GONE)
        return Content(data, hashlib.sha256(data).hexdigest()[:32])

    def _read(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        try:
            for block in blocks(self.path, self.names):
                rows = {str(block.start + n): write_row(row) for n, row in enumerate(block.rows)}
                yield f"{self.path.name}/{block.name}", rows
        except DataError as error:
            raise TargetError(str(error)) from error

    def _keep(self, folder: str, rows: dict[str, bytes]) -> None:
        self._blocks[folder] = rows
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)

    def _modified(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError as error:
            raise TargetError(f"Cannot read {self.uri}: {error.strerror}.") from error


def with_tables(request: ScanRequest, scorers: Sequence[Scorer]) -> ScanRequest:
    """The request, with tables of samples in place of what looked like manifests.

    A file that has all columns of an attributor is a table of samples; else one with a column of
    addresses is a manifest.

    Raises
    ------
    UsageError
        It is neither.
    """
    wanted = {label(s): s.image_shape for s in scorers if isinstance(s.image_shape, Columns)}
    return replace(request, targets=[_told(target, wanted) for target in request.targets])


def _told(target: Target, wanted: dict[str, Columns]) -> Target:
    if isinstance(target, ManifestTarget | LocalTarget):
        path = target.path
        if path.suffix not in SUFFIXES or not path.is_file():
            return target
        try:
            names = header(path)
        except DataError as error:
            raise TargetError(str(error)) from error
        fits = [columns for columns in wanted.values() if not columns.missing(names)]
        if fits:
            every = dict.fromkeys(name for columns in fits for name in columns.names)
            return TableTarget(target.uri, list(every))
        if not set(NAMES) & set(names):
            raise UsageError(_neither(target.uri, names, wanted))
    return target


def _neither(uri: str, names: Sequence[str], wanted: dict[str, Columns]) -> str:
    sentence = f"{uri} is no manifest (it has none of the columns {', '.join(NAMES)})"
    if not wanted:
        return f"{sentence}, and no attributor of this scan takes rows of a table."
    name, columns = next(iter(wanted.items()))
    lacking = columns.missing(names)
    shown = ", ".join(map(repr, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
    return f"{sentence} and no table of samples for {name} (it lacks {shown})."
