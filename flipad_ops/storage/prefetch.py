"""Take from an iterator in a thread, so that its next item is on its way while one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them early; raises what `items` raises.

    The thread is a daemon: an iterator that hangs does not keep the program from ending.
    """
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()

    def put(more: bool, item: T | BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put((more, item), timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(True, item):
                    return
        except BaseException as error:
            put(False, error)
        else:
            put(False, None)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            more, item = ready.get()
            if more:
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return
    finally:
        closed.set()
