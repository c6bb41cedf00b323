"""Collections of rows that are read anew on every pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Collection[T], Generic[T]):
    """A collection that reads its items anew on every pass instead of holding them."""

    def __init__(self, open_: Callable[[], Iterator[T]], count: int) -> None:
        self._open, self._count = open_, count

    @classmethod
    def chain(cls, streams: Sequence[Stream[T]]) -> Stream[T]:
        """One after the other."""
        return cls(lambda: (item for stream in streams for item in stream), sum(map(len, streams)))

    def __iter__(self) -> Iterator[T]:
        return self._open()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, item: object) -> bool:
        return any(item == other for other in self)
