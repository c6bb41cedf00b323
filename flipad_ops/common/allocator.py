"""Memory: freed blocks stay for the next tensor, and garbage is not sought in what was loaded."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Of glibc's `mallopt`: what is given back to the system, and what is asked of it alone.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Bytes for both: more than any tensor of a search; and what glibc would come to by itself.
_KEPT, _USUAL = (2**31 - 1, 2**30), (2**26, 2**25)


def keep_freed_memory() -> None:
    """Let glibc reuse large blocks instead of returning each to the system.

    Fresh pages are zeroed by the kernel as they are touched: of a search through convolutions that
    is a third of the CPU time. The process stays as large as it has been. Elsewhere than on glibc
    nothing happens.
    """
    _set(_KEPT)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """`keep_freed_memory` for a while; then what is free is returned."""
    _set(_KEPT)
    try:
        yield
    finally:
        _set(_USUAL)
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def loaded_left_alone() -> Iterator[None]:
    """Spare Python's search for garbage what exists by now: with torch a million objects, that is
    0.2 s each time, in which no other thread runs."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _set(thresholds: tuple[int, int]) -> None:
    if not sys.platform.startswith("linux"):
        return
    trim, mapped = thresholds
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, mapped)
        library.mallopt(_TRIM_THRESHOLD, trim)
