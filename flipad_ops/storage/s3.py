"""A bucket, a folder of a bucket or one object as a scan target; obstore lists and fetches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from flipad_ops.common.errors import ImageTooLarge, ObjectGone, TargetError, UsageError
from flipad_ops.storage.prefetch import ahead
from flipad_ops.storage.s3_access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3_errors import explain, is_final
from flipad_ops.storage.target import GONE, Content, Item

#: Reads of one object, when the connection breaks in its middle.
TRIES = 3


class S3Target:
    """`s3://bucket/folder`: everything below, keys without the folder; or one object.

    Raises
    ------
    UsageError
        No bucket in the address.
    """

    concurrency = 32

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
        """What versions of the object with the ETag of `item` hold, in a versioned bucket.

        Raises
        ------
        TargetError
        """
        key = f"{self.prefix}/{item.key}" if self.prefix else item.key
        return versions(self.access, self.bucket, key, item.etag, max_bytes)

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


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/b/` to ("bucket", "a/b")."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"{uri!r} names no bucket: s3://BUCKET/PREFIX.")
    return bucket, key.strip("/")


def versions(access: S3Access, bucket: str, key: str, etag: str, max_bytes: int) -> Iterator[bytes]:
    """The bytes of every version of an object with this ETag, the newest first.

    Raises
    ------
    TargetError
        Versions cannot be listed or read.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    client = access.client()
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
    try:
        for page in pages:
            for version in page.get("Versions", ()):
                same = version["Key"] == key and version["ETag"].strip('"') == etag.strip('"')
                if same and version["Size"] <= max_bytes:
                    answer = client.get_object(
                        Bucket=bucket, Key=key, VersionId=version["VersionId"]
                    )
                    yield answer["Body"].read()
    except (BotoCoreError, ClientError, OSError) as error:
        raise TargetError(f"Versions of s3://{bucket}/{key}: {error}.") from error


def item_of(meta: Any) -> Item:
    """obstore's description of an object as an Item."""
    return Item(
        str(meta["path"]),
        int(meta["size"]),
        meta["last_modified"].timestamp(),
        meta["e_tag"] or "",
    )


def fetch(store: Any, key: str, max_bytes: int, where: str) -> Content:
    """Read one object, again when the connection breaks; raises what `Target.read` raises."""
    import obstore

    for attempt in range(TRIES):
        try:
            answer = obstore.get(store, key)
            if answer.meta["size"] > max_bytes:
                raise ImageTooLarge(
                    f"{answer.meta['size']} bytes now, over the limit of {max_bytes}."
                )
            return Content(bytes(answer.bytes()), answer.meta["e_tag"] or "")
        except FileNotFoundError as error:
            raise ObjectGone(GONE) from error
        except (obstore.exceptions.BaseError, OSError) as error:
            if is_final(error) or attempt + 1 == TRIES:
                raise TargetError(explain(error, f"{where.rstrip('/')}/{key}")) from error
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")
