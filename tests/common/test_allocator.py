"""Large blocks are used again: the kernel hands out no new pages for them."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from flipad_ops.common.allocator import loaded_left_alone

PROGRAM = """
import ctypes, resource, sys
import numpy as np
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: huge pages come by chance
from flipad_ops.common.allocator import freed_memory_kept, keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
if sys.argv[1] == "for a while":
    with freed_memory_kept():
        np.ones(8_000_000)
def faults():
    for _ in range(20):
        np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_freed_memory_is_used_again() -> None:
    fresh, kept, later = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True,
                           check=True, timeout=60).stdout)
        for how in ("fresh", "kept", "for a while")
    )  # fmt: skip
    assert kept < fresh / 10
    assert later > fresh / 2


def test_garbage_of_a_scan_is_found_and_what_was_loaded_is_left_alone() -> None:
    class Node:
        itself: Node

    before = gc.get_freeze_count()
    with loaded_left_alone():
        assert gc.get_freeze_count() > before
        node = Node()
        node.itself = node
        gone = weakref.ref(node)
        del node
        gc.collect()
        assert gone() is None
    assert gc.get_freeze_count() == 0
