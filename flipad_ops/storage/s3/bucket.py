"""What is asked of a bucket: objects, tried again when the connection breaks, and versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from flipad_ops.common.errors import ImageTooLarge, ObjectGone, TargetError, UsageError
from flipad_ops.storage.s3.access import S3Access
from flipad_ops.storage.s3.failures import explain, is_final
from flipad_ops.storage.target import GONE, Content, Item

T = TypeVar("T")

#: Reads of one object, when the connection breaks in its middle.
TRIES = 3


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


def ask(
    store: Any, key: str, where: str, use: Callable[[Any], T], options: dict[str, Any] | None = None
) -> T:
    """What `use` makes of obstore's answer, asked for again when the connection breaks.

    Raises
    ------
    ObjectGone
        There is no such object.
    TargetError
        It cannot be read, or is in another state than `options` ask for.
    """
    import obstore

    for attempt in range(TRIES):
        try:
            return use(obstore.get(store, key, options=cast(Any, options)))
        except FileNotFoundError as error:
            raise ObjectGone(GONE) from error
        except obstore.exceptions.PreconditionError as error:
            raise TargetError(f"{where} was changed while it was read.") from error
        except (obstore.exceptions.BaseError, OSError) as error:
            if is_final(error) or attempt + 1 == TRIES:
                raise TargetError(explain(error, where)) from error
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")


def fetch(store: Any, key: str, max_bytes: int, where: str) -> Content:
    """Read one object; raises what `Target.read` raises."""

    def content(answer: Any) -> Content:
        size = answer.meta["size"]
        if size > max_bytes:
            raise ImageTooLarge(f"{size} bytes now, over the limit of {max_bytes}.")
        return Content(bytes(answer.bytes()), answer.meta["e_tag"] or "")

    return ask(store, key, f"{where.rstrip('/')}/{key}", content)
