"""The protocol of a scan target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

#: What `ObjectGone` says.
GONE = "Deleted since it was listed."


@dataclass(frozen=True)
class Item:
    """One listed object.

    Parameters
    ----------
    key : str
        Unique within its target, with "/" between parts.
    size : int
        Bytes; 0 when the listing does not say.
    modified : float
        Seconds since the epoch.
    etag : str
        Changes when the content does; empty when the listing does not say.
    """

    key: str
    size: int
    modified: float
    etag: str


@dataclass(frozen=True)
class Content:
    """What was read: the bytes, and the ETag they had when read."""

    data: bytes
    etag: str


class Target(Protocol):
    """Something that lists objects and reads them."""

    uri: str
    #: How many reads are worth having under way at a time.
    concurrency: int

    def list(self) -> Iterator[Item]:
        """Every object, in key order. Raises TargetError when it cannot be listed."""
        ...

    def read(self, item: Item, max_bytes: int) -> Content:
        """The object as it is now; called from several threads.

        Raises
        ------
        ImageTooLarge
            It has grown over `max_bytes`; not read.
        ObjectGone
            It was deleted after it was listed.
        TargetError
            It cannot be read.
        """
        ...
