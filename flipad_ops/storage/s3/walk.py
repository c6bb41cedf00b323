"""A listing folder by folder, several at a time, where the folders are large.

A server gives a listing page by page, each after the one before it, so a large bucket takes as long
as its answers travel. Folders can be asked for side by side. Every object is then still found by a
listing of all that begins with some prefix: no order of keys is relied upon, which servers other
than Amazon's do not all keep. What comes out is in the order of folders and objects by their names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Protocol

from flipad_ops.common.errors import TargetError
from flipad_ops.storage.prefetch import Ahead
from flipad_ops.storage.target import Item

#: Pages that a listing has before its folders are looked at; a folder has a page in the middle at
#: least, lest many small ones cost more requests than they save time.
PROBE = 4
#: Folders listed at a time, each so many pages ahead, and how deep below each other.
STREAMS, DEPTH, LEVELS = 6, 4, 2

Page = Sequence[Item]


class Lister(Protocol):
    """What is needed of a bucket."""

    def pages(self, prefix: str) -> Iterator[Page]:
        """Every object whose key starts so; raises TargetError."""
        ...

    def level(self, prefix: str) -> tuple[Sequence[str], Page] | None:
        """Prefixes of the folders right below, and the objects there; None for more than a page.

        Raises TargetError.
        """
        ...


def walk(lister: Lister, prefix: str, levels: int = LEVELS) -> Iterator[Page]:
    """Every object whose key starts so, in pages; raises TargetError."""
    pages, head = lister.pages(prefix), list[Page]()
    try:
        head.extend(islice(pages, PROBE))
    except TargetError:
        yield from head
        raise
    # A page that is not full is the last.
    goes_on = len(head) == PROBE and len(head[-1]) == len(head[0])
    parts = _parts(lister, prefix, head) if levels and goes_on else None
    if parts is None:
        yield from head
        yield from pages
        return
    waiting, running = deque(parts), deque[Ahead[Page]]()
    try:
        while waiting or running:
            while waiting and len(running) < STREAMS:
                part = waiting.popleft()
                below = walk(lister, part, levels - 1) if isinstance(part, str) else iter([part])
                running.append(Ahead(below, DEPTH))
            yield from running[0]
            running.popleft()
    finally:
        for stream in running:
            stream.close()


def _parts(lister: Lister, prefix: str, head: Sequence[Page]) -> list[Page | str] | None:
    """Runs of objects, and prefixes of folders, or None where the listing had better go on."""
    size, keys = len(head[0]), [item.key[len(prefix) :] for page in head for item in page]
    names = {name for name, below, _ in (key.partition("/") for key in keys) if below}
    if not names or len(names) * size > len(keys):
        return None
    try:
        found = lister.level(prefix)
        if found is None:
            return None
        folders, objects = found
        "".join(folders).encode()  # else servers cannot be asked for one
        # Who may list here may not be allowed to list each folder.
        next(lister.pages(folders[0]), None)
    except (TargetError, IndexError, UnicodeEncodeError):
        return None
    named: list[tuple[bytes, Item | str]] = [
        *((item.key.encode("utf-8", "surrogateescape"), item) for item in objects),
        *((folder.encode(), folder) for folder in folders),
    ]
    parts: list[Page | str] = []
    for _, entry in sorted(named, key=itemgetter(0)):
        if isinstance(entry, str):
            parts.append(entry)
        elif parts and isinstance(parts[-1], list):
            parts[-1].append(entry)
        else:
            parts.append([entry])
    return parts
