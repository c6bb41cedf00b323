"""What is asked of a bucket: listings, objects, tried again when the connection breaks, versions.

Keys are opaque. obstore reads fast, but asks for another key where it takes one for a path, and
lists under such names; so boto3 lists, and reads what obstore cannot name.
"""

from __future__ import annotations

import builtins
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast
from urllib.parse import unquote_plus

from flipad_ops.common.errors import (
    ImageTooLarge,
    ObjectArchived,
    ObjectGone,
    TargetError,
    UsageError,
)
from flipad_ops.storage.prefetch import Ahead
from flipad_ops.storage.s3.access import S3Access
from flipad_ops.storage.s3.encodings import decoded
from flipad_ops.storage.s3.failures import code_of, explain, is_final
from flipad_ops.storage.s3.list_pages import ITEMS
from flipad_ops.storage.s3.walk import walk
from flipad_ops.storage.target import GONE, Content, Item

T = TypeVar("T")

#: Objects in a page of a listing, the most that S3 gives.
PAGE = 1000
#: Reads of one object, when the connection breaks in its middle.
TRIES = 3
#: Empty, `.` and `..` as parts, and control characters: obstore refuses them or drops slashes.
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/b/` to ("bucket", "a/b/"); the key as it is spelled."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"{uri!r} names no bucket: s3://BUCKET/PREFIX.")
    return bucket, key


def nameable(key: str) -> bool:
    """Whether obstore asks for this key and no other."""
    return _UNNAMEABLE.search(key) is None


class Bucket:
    """One bucket; called from several threads.

    Parameters
    ----------
    name : str
    access : S3Access
    """

    def __init__(self, name: str, access: S3Access) -> None:
        self.name, self.access = name, access
        self._store: Any = None
        self._client: Any = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Find credentials; raises what `S3Access.store` raises."""
        self.client()

    def store(self) -> Any:
        """The obstore of it."""
        with self._lock:
            if self._store is None:
                self._store = self.access.store(self.name)
            return self._store

    def client(self) -> Any:
        """A boto3 client."""
        with self._lock:
            if self._client is None:
                self._client = self.access.client()
            return self._client

    def list(self, prefix: str) -> Iterator[Item]:
        """Every object whose key starts so, by name; raises TargetError."""
        for page in Ahead(walk(self, prefix)):
            yield from page

    def pages(self, prefix: str, most: int = PAGE) -> Iterator[Sequence[Item]]:
        """Every object whose key starts so, as the server gives them; raises TargetError."""
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self.client().get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, PaginationConfig={"PageSize": most},
            # Were it to ask for this itself, botocore would make up keys for what is no UTF-8.
            EncodingType="url",
        )  # fmt: skip
        try:
            for page in pages:
                self._notice(page)
                yield page[ITEMS]
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            raise TargetError(explain(error, f"s3://{self.name}/{prefix}")) from error

    def level(self, prefix: str) -> tuple[Sequence[str], Sequence[Item]] | None:
        """Prefixes of the folders right below, and the objects there; None for more than a page."""
        page = self._level(prefix)
        return None if page["IsTruncated"] else (_folders(page), page[ITEMS])

    def folders(self, prefix: str) -> builtins.list[str]:
        """Names of the folders right below a prefix, the first thousand; none where nobody may
        list there."""
        try:
            return [folder[len(prefix) : -1] for folder in _folders(self._level(prefix))]
        except TargetError:
            return []

    def one(self, key: str) -> Item | None:
        """The object as it is listed; None if it is not. Raises TargetError."""
        first = next(self.pages(key, 1))
        return first[0] if first and first[0].key == key else None

    def read(self, key: str, max_bytes: int) -> Content:
        """An object's bytes, unpacked; raises what `Target.read` raises."""
        where = f"s3://{self.name}/{key}"
        try:
            if nameable(key):
                return ask(self.store(), key, where, lambda answer: _content(answer, max_bytes))
            return tried(lambda: self._read_slowly(key, max_bytes), where)
        except ObjectGone:
            # A name that somebody on the way spells otherwise is no deletion.
            if self.one(key) is None:
                raise
            raise TargetError(f"{where} is listed, but not found by that name.") from None

    def versions(self, key: str, etag: str, max_bytes: int) -> Iterator[bytes]:
        """The bytes of every version of an object with this ETag, the newest first.

        Raises
        ------
        TargetError
            Versions cannot be listed or read.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        pages = client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key)
        try:
            for page in pages:
                for version in page.get("Versions", ()):
                    same = version["Key"] == key and version["ETag"].strip('"') == etag.strip('"')
                    if same and version["Size"] <= max_bytes:
                        answer = client.get_object(
                            Bucket=self.name, Key=key, VersionId=version["VersionId"]
                        )
                        data = answer["Body"].read()
                        yield decoded(data, answer.get("ContentEncoding", ""), max_bytes)
        except (BotoCoreError, ClientError, OSError) as error:
            raise TargetError(f"Versions of s3://{self.name}/{key}: {error}.") from error

    def _level(self, prefix: str) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        try:
            page: Mapping[str, Any] = client.list_objects_v2(
                Bucket=self.name, Prefix=prefix, Delimiter="/", EncodingType="url", MaxKeys=PAGE
            )
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            raise TargetError(explain(error, f"s3://{self.name}/{prefix}")) from error
        return page

    def _read_slowly(self, key: str, max_bytes: int) -> Content:
        answer = self.client().get_object(Bucket=self.name, Key=key)
        with answer["Body"] as body:
            _check_size(answer["ContentLength"], max_bytes)
            data = body.read()
        coding = answer.get("ContentEncoding", "")
        return Content(decoded(data, coding, max_bytes), answer.get("ETag", ""))

    def _notice(self, page: Mapping[str, Any]) -> None:
        """boto3 goes where a bucket is; obstore has to be told before its first read."""
        region = page["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")
        if region and self._store is None:
            self.access = replace(self.access, region=region)


def _folders(page: Mapping[str, Any]) -> builtins.list[str]:
    found = page.get("CommonPrefixes", ())
    return [unquote_plus(each["Prefix"], errors="surrogateescape") for each in found]


def ask(
    store: Any, key: str, where: str, use: Callable[[Any], T], options: dict[str, Any] | None = None
) -> T:
    """What `use` makes of obstore's answer; raises what `tried` raises."""
    import obstore

    if not nameable(key):
        raise TargetError(f"{where}: nothing but images is read under such a name.")
    return tried(lambda: use(obstore.get(store, key, options=cast(Any, options))), where)


def tried(read: Callable[[], T], where: str) -> T:
    """What `read` returns, called again when the connection breaks.

    Raises
    ------
    ObjectGone
        There is no such object.
    ObjectArchived
        It is in cold storage.
    TargetError
        It cannot be read, or is in another state than was asked for.
    """
    import obstore
    from botocore.exceptions import BotoCoreError, ClientError

    for attempt in range(TRIES):
        try:
            return read()
        except obstore.exceptions.PreconditionError as error:
            raise TargetError(f"{where} was changed while it was read.") from error
        except UnicodeEncodeError as error:
            raise TargetError("The name is no UTF-8, and S3 is asked for names in it.") from error
        except (obstore.exceptions.BaseError, BotoCoreError, ClientError, OSError) as error:
            if isinstance(error, FileNotFoundError) or code_of(error) in {"NoSuchKey", "404"}:
                raise ObjectGone(GONE) from error
            if code_of(error) == "InvalidObjectState":
                raise ObjectArchived("Archived: it has to be restored to be read.") from error
            if is_final(error) or attempt + 1 == TRIES:
                raise TargetError(explain(error, where)) from error
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")


def _content(answer: Any, max_bytes: int) -> Content:
    _check_size(answer.meta["size"], max_bytes)
    coding = answer.attributes.get("Content-Encoding", "")
    return Content(decoded(bytes(answer.bytes()), coding, max_bytes), answer.meta["e_tag"] or "")


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ImageTooLarge(f"{size} bytes now, over the limit of {max_bytes}.", size=size)
