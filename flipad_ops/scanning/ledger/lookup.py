"""A listing beside what earlier scans know of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from flipad_ops.scanning.ledger.ledger import Known
from flipad_ops.storage.selection import Picked, in_chunks
from flipad_ops.storage.target import Item, Target

#: Objects looked up in the ledger at a time.
LOOKUP = 256


@dataclass(frozen=True)
class Kept:
    """Objects of one target that the ledger knows at their ETag; (key, position) pairs."""

    target: str
    keys: list[tuple[str, int]]


@dataclass(frozen=True)
class Listed:
    """Neighbours in the listing: what the ledger knows, and (position, item) of what is to read."""

    target: Target
    kept: Kept
    new: list[tuple[int, Item]]


def looked_up(picked: Iterable[Picked], known: Known | None) -> Generator[Listed]:
    """The listing in parts of one target each.

    Parameters
    ----------
    picked : iterable of (Target, Item)
    known : Known or None
        Earlier rows; closed at the end.

    Raises
    ------
    TargetError
        The listing broke off; all before it was yielded.
    """
    position = 0
    try:
        for target, items in in_chunks(picked, LOOKUP):
            old: set[str] = set()
            if known is not None:
                etags = {item.key: item.etag for item in items}
                old = known.unchanged(target.uri, etags)
            places = list(enumerate(items, position))
            yield Listed(
                target,
                Kept(target.uri, [(item.key, place) for place, item in places if item.key in old]),
                [(place, item) for place, item in places if item.key not in old],
            )
            position += len(items)
    finally:
        if known is not None:
            known.close()
