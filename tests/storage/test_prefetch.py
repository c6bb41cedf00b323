"""Items, order and errors are those of the iterator; nothing is taken that nobody wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flipad_ops.storage.prefetch import ahead


def test_same_items_in_the_same_order() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead([])) == []


def test_an_error_comes_after_what_was_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    found = ahead(broken())
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_the_next_item_is_taken_before_it_is_asked_for() -> None:
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    found = ahead(items())
    assert next(found) == 1
    assert second.wait(30)
    assert list(found) == [2]


def test_it_stops_taking_when_closed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(1)
            yield 1

    before = threading.active_count()
    found = ahead(endless(), depth=3)
    next(found)
    found.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name.endswith("(work)"):
            thread.join(10)
    assert threading.active_count() <= before
    assert len(taken) <= 6
