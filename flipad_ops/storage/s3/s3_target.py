"""A bucket, a folder of a bucket or one object as a scan target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flipad_ops.common.errors import ObjectGone, TargetError
from flipad_ops.common.extras import need
from flipad_ops.common.near_names import did_you_mean
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3.bucket import Bucket, split_uri
from flipad_ops.storage.s3.ranges import S3Object
from flipad_ops.storage.table_files import SUFFIXES
from flipad_ops.storage.target import Content, Item, Target, quoted


class S3Target(Target):
    """`s3://bucket/folder`: everything below, keys without the folder; or one object.

    Where an object has the folder's very name, keys are those below the folder above, so that
    nobody hides it by putting something beneath.

    Raises
    ------
    UsageError
        No bucket in the address.
    ExtraMissing
    """

    concurrency, versioned = 32, True

    def __init__(self, uri: str, access: S3Access = AS_CONFIGURED) -> None:
        need("s3", f"Reading {uri}")
        self.uri = uri
        name, self._key = split_uri(uri)
        self._bucket = Bucket(name, access)
        folder = not self._key or self._key.endswith("/")
        #: What keys of items begin with in the bucket.
        self._base = self._key if folder else f"{self._key}/"

    def __reduce__(self) -> tuple[Any, ...]:
        # No store and no credentials: whoever unpickles it resolves their own.
        return S3Target, (self.uri, self._bucket.access), {"_base": self._base}

    def list(self) -> Iterator[Item]:
        """Objects in key order, as the server gives them; without the marks of folders."""
        self._bucket.open()
        folder = self._key if self._key == self._base else f"{self._key}/"
        single = self._single() if folder != self._key else None
        if single is not None:
            self._base = self._key[: self._key.rfind("/") + 1]
            yield self._below(single)
        for found in self._bucket.list(folder):
            if found.size or not found.key.endswith("/"):
                yield self._below(found)

    def read(self, item: Item, max_bytes: int) -> Content:
        """The object as it is now."""
        return self._bucket.read(self._base + item.key, max_bytes)

    def earlier(self, item: Item, max_bytes: int) -> Iterator[bytes]:
        """What versions of the object with the ETag of `item` hold, in a versioned bucket."""
        return self._bucket.versions(self._base + item.key, item.etag, max_bytes)

    def near(self) -> str:
        """A folder beside it with nearly its name."""
        above, _, name = self._key.rstrip("/").rpartition("/")
        return (
            did_you_mean(name, self._bucket.folders(f"{above}/" if above else "")) if name else "."
        )

    def check_reach(self) -> None:
        """Credentials are needed."""
        self._bucket.open()

    def table(self) -> S3Object | None:
        """One object."""
        if self.uri.endswith(SUFFIXES):
            with suppress(ObjectGone):  # a folder may be called like a table
                return S3Object(self.uri, self._bucket.access).pinned()
        return None

    def address(self, key: str) -> str:
        """As S3 spells it."""
        one = self.uri.endswith(f"/{key}")  # of a saved scan nothing was listed
        return f"s3://{self._bucket.name}/{quoted(self._key if one else self._base + key)}"

    def _single(self) -> Item | None:
        """The object that has the target's own name."""
        try:
            return self._bucket.one(self._key)
        except TargetError:
            # Some may list below a prefix only; whether anything is there, that listing says.
            return None

    def _below(self, found: Item) -> Item:
        return replace(found, key=found.key[len(self._base) :]) if self._base else found
