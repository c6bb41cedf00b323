"""The protocol of a scan target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Item:
    """One listed object.

    Parameters
    ----------
    key : str
        Unique within its target, with "/" between parts.
    size : int
        Bytes.
    modified : float
        Seconds since the epoch.
    etag : str
        Changes when the content does.
    """

    key: str
    size: int
    modified: float
    etag: str


class Target(Protocol):
    """Something that lists objects and reads them."""

    uri: str

    def list(self) -> Iterator[Item]:
        """Every object, in key order. Raises TargetError when it cannot be listed."""
        ...

    def read(self, item: Item) -> bytes:
        """The object's bytes. Raises TargetError when it cannot be read."""
        ...
