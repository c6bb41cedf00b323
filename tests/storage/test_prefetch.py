"""Items, order and errors are those of the iterator; nothing is taken that nobody wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flipad_ops.storage.prefetch import Ahead


def test_same_items_in_the_same_order() -> None:
    assert list(Ahead(iter(range(100)))) == list(range(100))
    assert list(Ahead([])) == []


def test_an_error_comes_after_what_was_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    found = Ahead(broken())
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_the_next_item_is_taken_before_it_is_asked_for() -> None:
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    found = Ahead(items())
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
    found = Ahead(endless(), depth=3)
    next(found)
    found.close()
    for thread in threading.enumerate():
        if thread.name == "ahead":
            thread.join(10)
    assert threading.active_count() <= before
    assert len(taken) <= 6


def test_it_begins_at_once_and_ends_when_nobody_holds_it() -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless() -> Iterator[int]:
        begun.set()
        try:
            while True:
                yield 1
        finally:
            ended.set()

    found = Ahead(endless())
    assert begun.wait(30)
    del found
    assert ended.wait(30)
