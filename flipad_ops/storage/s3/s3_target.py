"""A bucket, a folder of a bucket or one object as a scan target; obstore lists and fetches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flipad_ops.common.errors import ObjectGone, TargetError
from flipad_ops.storage.prefetch import ahead
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3.bucket import fetch, item_of, split_uri, versions
from flipad_ops.storage.s3.failures import explain
from flipad_ops.storage.s3.ranges import S3Object
from flipad_ops.storage.table_files import SUFFIXES
from flipad_ops.storage.target import Content, Item, Target, quoted


class S3Target(Target):
    """`s3://bucket/folder`: everything below, keys without the folder; or one object.

    Raises
    ------
    UsageError
        No bucket in the address.
    """

    concurrency, versioned = 32, True

    def __init__(self, uri: str, access: S3Access = AS_CONFIGURED) -> None:
        self.uri = uri
        self.bucket, self.prefix = split_uri(uri)
        self.access = access
        self._store: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # No store and no credentials: whoever unpickles it resolves their own.
        return S3Target, (self.uri, self.access), {"prefix": self.prefix}

    def list(self) -> Iterator[Item]:
        """Objects in key order, as the server gives them."""
        import obstore

        store = self.open()
        empty = True
        try:
            for chunk in ahead(obstore.list(store, chunk_size=1000)):
                for meta in chunk:
                    empty = False
                    yield item_of(meta)
            if empty and self.prefix:
                yield from self._single()
        except (obstore.exceptions.BaseError, OSError) as error:
            raise TargetError(explain(error, self.uri)) from error

    def read(self, item: Item, max_bytes: int) -> Content:
        """The object as it is now."""
        return fetch(self.open(), item.key, max_bytes, self.uri)

    def earlier(self, item: Item, max_bytes: int) -> Iterator[bytes]:
        """What versions of the object with the ETag of `item` hold, in a versioned bucket."""
        key = f"{self.prefix}/{item.key}" if self.prefix else item.key
        return versions(self.access, self.bucket, key, item.etag, max_bytes)

    def check_reach(self) -> None:
        """Credentials are needed."""
        self.open()

    def table(self) -> S3Object | None:
        """One object."""
        if self.uri.endswith(SUFFIXES):
            with suppress(ObjectGone):  # a folder may be called like a table
                return S3Object(self.uri, self.access).pinned()
        return None

    def address(self, key: str) -> str:
        """As S3 spells it."""
        one = self.uri.endswith(f"/{key}")
        return self.uri if one else f"{self.uri.rstrip('/')}/{quoted(key)}"

    def _single(self) -> Iterator[Item]:
        import obstore

        folder, _, name = self.prefix.rpartition("/")
        store = self.access.store(self.bucket, folder)
        try:
            found = item_of(obstore.head(store, name))
        except FileNotFoundError:
            return
        self._store, self.prefix = store, folder
        yield found

    def open(self) -> Any:
        """The store, made on first use; raises what `S3Access.store` raises."""
        if self._store is None:
            self._store = self.access.store(self.bucket, self.prefix)
        return self._store
