"""The bytes behind a recorded row, wherever they still are: its place, a version of it, a copy.

What counts is the content hash: a place that holds something else now is not the evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from flipad_ops.common.errors import ImageError, TargetError
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.storage import Item, Target
from flipad_ops.storage.frames import file_key


class Evidence:
    """Finds the content of rows.

    Parameters
    ----------
    targets : sequence of Target
        Where rows were listed from.
    max_bytes : int
        Larger objects are not read.
    copies : Path, optional
        A folder with copies, under any names.
    """

    def __init__(
        self, targets: Sequence[Target], max_bytes: int, copies: Path | None = None
    ) -> None:
        self._targets = {target.uri: target for target in targets}
        self._max_bytes, self._copies = max_bytes, copies

    def find(self, row: Row) -> bytes:
        """The content whose SHA-256 the row records.

        Raises
        ------
        TargetError
            It is nowhere to be found; says what the places hold instead.
        """
        reasons = []
        for place, contents in self._places(row):
            try:
                data = next((data for data in contents if _sha256(data) == row.sha256), None)
            except (TargetError, ImageError) as error:
                reasons.append(str(error))
                continue
            if data is not None:
                return data
            reasons.append(f"{place} is not what was scored.")
        raise TargetError(" ".join(reasons) or "There is no place to look.")

    def _places(self, row: Row) -> Iterator[tuple[str, Iterator[bytes]]]:
        if self._copies is not None:
            yield "No copy", self._copied(row)
        target = self._targets.get(row.target)
        if target is not None:
            item = Item(row.key, row.size, 0.0, row.etag)
            yield "What lies there now", self._now(target, item)
            if target.versioned:
                yield "No version in the bucket", target.earlier(item, self._max_bytes)

    def _now(self, target: Target, item: Item) -> Iterator[bytes]:
        if target.uri.endswith("/" + file_key(item.key)):  # it may be one object, not a folder
            for alone in target.list():
                if alone.key == file_key(item.key):
                    yield target.read(replace(alone, key=item.key), self._max_bytes).data
                return
        yield target.read(item, self._max_bytes).data

    def _copied(self, row: Row) -> Iterator[bytes]:
        path = self._by_hash.get(row.sha256)
        if path is not None:
            yield path.read_bytes()

    @cached_property
    def _by_hash(self) -> dict[str, Path]:
        assert self._copies is not None
        found = {}
        for path in sorted(self._copies.rglob("*")):
            with suppress(OSError):  # one that cannot be read is no copy
                if path.is_file() and path.stat().st_size <= self._max_bytes:
                    with path.open("rb") as file:
                        found[hashlib.file_digest(file, "sha256").hexdigest()] = path
        return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
