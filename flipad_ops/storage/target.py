"""The protocol of a target: a place that holds samples, read by scans and fits.

To add one: a subclass in a file of its own, and its line in `storage.TARGETS`; or, in another
package, an entry point of the group `flipad_ops.targets`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from flipad_ops.storage.table_files import VersionedFile

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
    """Something that lists objects and reads them; to be subclassed, as most has a default.

    It is pickled for workers on other machines.
    """

    uri: str
    #: How many reads are worth having under way at a time.
    concurrency: int = 4
    #: Whether `earlier` may find something.
    versioned: bool = False
    #: Whether its items are files, so that animations may be among them.
    holds_files: bool = True

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

    def parts(self, item: Item) -> Iterator[Item]:
        """What is read in place of a listed object that was chosen; mostly itself."""
        yield item

    def earlier(self, item: Item, max_bytes: int) -> Iterator[bytes]:
        """Contents that an object has had. Raises TargetError, also when they were deleted."""
        return iter(())

    def near(self) -> str:
        """Where nothing is listed: the end of a sentence about what may be meant instead."""
        return "."

    def check_reach(self) -> None:
        """Raise a TargetError where this machine cannot read it, before its objects look lost."""
        return

    def is_here(self, item: Item) -> bool:
        """Whether this machine, at least, has an object that another did not find."""
        return False

    def table(self) -> Path | VersionedFile | None:
        """The one file that it consists of, where that may be a table whose rows are samples."""
        return None

    def address(self, key: str) -> str:
        """Where an object is, as a URI reference."""
        place = quoted(self.uri)
        return place if self.uri.endswith(f"/{key}") else f"{place}/{quoted(key)}"


def quoted(key: str) -> str:
    """A key, which may hold bytes that are no UTF-8, in a URI."""
    return quote(key.encode("utf-8", "surrogateescape"))
