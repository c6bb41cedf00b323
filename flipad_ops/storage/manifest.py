"""A table of addresses as a scan target: Parquet, CSV or JSON lines.

The column `key` (or `uri`, or `path`) holds `s3://bucket/key` or a path, relative ones below the
manifest's folder. `size`, `etag` and `modified` (seconds since the epoch) are used when there.
"""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import ObjectGone, TargetError
from flipad_ops.common.extras import need
from flipad_ops.common.untrusted_json import parse
from flipad_ops.storage.local import LocalTarget
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3.bucket import Bucket, split_uri
from flipad_ops.storage.target import Content, Item, Target, quoted

NAMES = ("key", "uri", "path")


class ManifestTarget(Target):
    """Objects wherever a manifest says; one that is missing is an error, not a deletion."""

    concurrency = 32

    def __init__(self, path: str | Path, access: S3Access = AS_CONFIGURED) -> None:
        self.path, self.uri, self._access = Path(path), str(path), access
        if self.path.suffix == ".parquet":
            need("tables", f"Reading {path}")
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return ManifestTarget, (self.path.absolute(), self._access), {"uri": self.uri}

    def list(self) -> Iterator[Item]:
        """Items in the manifest's order; an address named twice is read once."""
        seen: set[str] = set()
        try:
            for number, record in enumerate(self._records(), 1):
                key = next((str(record[n]) for n in NAMES if record.get(n)), "")
                if not key:
                    raise TargetError(
                        f"{self.uri}: record {number} has none of {', '.join(NAMES)}."
                    )
                if key not in seen:
                    seen.add(key)
                    yield self._item(key, record)
        except (OSError, ValueError, csv.Error) as error:
            raise TargetError(f"Cannot read manifest {self.uri}: {error}.") from error

    def read(self, item: Item, max_bytes: int) -> Content:
        """The object behind an address."""
        try:
            if item.key.startswith("s3://"):
                bucket, key = split_uri(item.key)
                return self._bucket(bucket).read(key, max_bytes)
            place = self.path.parent / item.key
            return LocalTarget(place).read(Item(place.name, 0, 0.0, ""), max_bytes)
        except ObjectGone as error:
            raise TargetError("Named in the manifest, but not there.") from error

    def table(self) -> Path | None:
        """The manifest's file, which may be none."""
        return LocalTarget(self.path).table()

    def address(self, key: str) -> str:
        """Of the object, not of the manifest."""
        if not key.startswith("s3://"):
            return quoted(os.path.normpath(os.path.join(os.path.dirname(self.uri), key)))
        return "s3://" + quoted(key.removeprefix("s3://"))

    def _item(self, key: str, record: Mapping[str, Any]) -> Item:
        if not key.startswith("s3://"):
            place = self.path.parent / key
            with suppress(OSError, ValueError):  # reading says what is wrong
                return LocalTarget.item(place, key)
        size, modified = record.get("size"), record.get("modified")
        return Item(key, int(size or 0), float(modified or 0.0), str(record.get("etag") or ""))

    def _records(self) -> Iterable[Mapping[str, Any]]:
        if self.path.suffix == ".parquet":
            yield from _parquet(self.path)
        elif self.path.suffix == ".csv":
            with self.path.open(newline="", encoding="utf-8") as stream:
                yield from csv.DictReader(stream)
        else:
            with self.path.open(encoding="utf-8") as stream:
                for line in stream:
                    if line.strip():
                        record = parse(line)
                        yield record if isinstance(record, dict) else {}

    def _bucket(self, name: str) -> Bucket:
        with self._lock:
            return self._buckets.setdefault(name, Bucket(name, self._access))


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        with pq.ParquetFile(path) as file:
            names = {*NAMES, "size", "etag", "modified"}
            columns = [name for name in file.schema_arrow.names if name in names]
            for batch in file.iter_batches(batch_size=10_000, columns=columns):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
