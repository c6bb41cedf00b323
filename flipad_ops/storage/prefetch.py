"""Take from an iterator in a thread, so that its next item is on its way while one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Iterator[T], Generic[T]):
    """The same items in the same order, from now on up to `depth` of them early; raises what
    `items` raises.

    The thread is a daemon: an iterator that hangs does not keep the program from ending. It ends
    when this is closed, or nobody's any more.
    """

    def __init__(self, items: Iterable[T], depth: int = 2) -> None:
        self._ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
        self._closed = threading.Event()
        work = _Work(items, self._ready, self._closed)
        threading.Thread(target=work.run, name="ahead", daemon=True).start()

    def __next__(self) -> T:
        if self._closed.is_set():
            raise StopIteration
        more, item = self._ready.get()
        if more:
            return item  # type: ignore[return-value]
        self.close()
        if isinstance(item, BaseException):
            raise item
        raise StopIteration

    def close(self) -> None:
        """Take no more."""
        self._closed.set()

    def __del__(self) -> None:
        self._closed.set()


class _Work(Generic[T]):
    """What the thread does; it knows nothing of who takes the items, so that their end ends it."""

    def __init__(
        self,
        items: Iterable[T],
        ready: queue.Queue[tuple[bool, T | BaseException | None]],
        closed: threading.Event,
    ) -> None:
        self.items, self.ready, self.closed = items, ready, closed

    def run(self) -> None:
        """Until the items end, or it is closed."""
        try:
            for item in self.items:
                if not self._put(True, item):
                    return
        except BaseException as error:
            self._put(False, error)
        else:
            self._put(False, None)
        finally:
            del self.items  # a generator among them ends now, and what it has begun

    def _put(self, more: bool, item: T | BaseException | None) -> bool:
        while not self.closed.is_set():
            try:
                self.ready.put((more, item), timeout=0.2)
            except queue.Full:
                continue
            return True
        return False
