"""The environment of a child process that handles what others wrote: none of our credentials."""

from __future__ import annotations

import os

_KEPT = (
    "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV",
    "PYTHONPATH", "PYTHONHOME", "OMP_NUM_THREADS",
)  # fmt: skip


def bare_environment(**more: str) -> dict[str, str]:
    """What a Python process needs of this one's environment, and `more`."""
    return {key: os.environ[key] for key in _KEPT if key in os.environ} | more


def limit_memory(gigabytes: float | None) -> None:
    """Limit this process and its children to so much address space; None or 0 is no limit."""
    if gigabytes:
        import resource  # not on every platform

        limit = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
