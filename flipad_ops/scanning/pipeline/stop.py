"""Signals that end a scan in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """SIGINT and SIGTERM are noted instead of raised; yields a function that tells which came.

    The scan ends after the batch in hand. A second signal does what it would have done at first.
    """
    seen = 0
    before: dict[int, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen = number
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]

    for wanted in (signal.SIGINT, signal.SIGTERM):
        before[wanted] = signal.signal(wanted, note)
    try:
        yield lambda: seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
