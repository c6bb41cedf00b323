"""One object of a bucket as a file that is read in ranges: a table's columns without the rest.

All ranges come from one state of the object. A server that holds another by now says so, and the
read ends in an error instead of in a mixture.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import IO, Any

from flipad_ops.common.errors import TargetError
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3.bucket import ask, split_uri

#: Bytes that a sequential reader asks for at a time.
AHEAD = 4 << 20


@dataclass(frozen=True)
class S3Object:
    """An object, and which state of it once `pinned`.

    Parameters
    ----------
    uri : str
        `s3://bucket/key`.
    access : S3Access
    etag, version : str
        The state; empty for whatever is there, and for a bucket without versions.
    size : int
    modified : float
        Seconds since the epoch.
    """

    uri: str
    access: S3Access = AS_CONFIGURED
    etag: str = ""
    version: str = ""
    size: int = 0
    modified: float = 0.0

    def __str__(self) -> str:
        return self.uri

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.uri.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """Of the name, with the dot."""
        return "." + self.name.rpartition(".")[2] if "." in self.name else ""

    def pinned(self) -> S3Object:
        """The object as it is now, or as its `version` is.

        Raises
        ------
        ObjectGone
            There is no such object.
        TargetError
        """
        bucket, key = split_uri(self.uri)
        options = {"head": True, **({"version": self.version} if self.version else {})}
        meta = ask(self.access.store(bucket), key, self.uri, lambda answer: answer.meta, options)
        return replace(
            self,
            etag=meta["e_tag"] or "",
            version=meta["version"] or "",
            size=int(meta["size"]),
            modified=meta["last_modified"].timestamp(),
        )

    def at(self, version: str) -> S3Object:
        """The object as it was; raises what `pinned` raises."""
        return replace(self, version=version).pinned()

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A seekable stream of the bytes; of a pinned object only of that state."""
        assert mode == "rb"
        at = self if self.etag else self.pinned()
        # A reader of Parquet seeks to what it wants, so a buffer would only fetch too much.
        ranges = _Ranges(at)
        return ranges if self.suffix == ".parquet" else io.BufferedReader(ranges, AHEAD)  # type: ignore[return-value]


class _Ranges(io.RawIOBase):
    """Reads of any place, one request each."""

    def __init__(self, pinned: S3Object) -> None:
        self._object, self._place = pinned, 0
        bucket, self._key = split_uri(pinned.uri)
        self._store = pinned.access.store(bucket)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._object.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._object.size)
        if end <= self._place:
            return 0
        state = {"version": self._object.version} if self._object.version else {}
        options = {"range": (self._place, end), "if_match": self._object.etag, **state}
        data = ask(self._store, self._key, self._object.uri, lambda a: bytes(a.bytes()), options)
        if len(data) != end - self._place:
            raise TargetError(f"{self._object.uri}: {len(data)} bytes came of those asked for.")
        memoryview(buffer)[: len(data)] = memoryview(data)
        self._place = end
        return len(data)
