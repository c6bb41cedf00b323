"""Child processes: their command, their environment, and their end when their parent is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import IO

_KEPT = (
    "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV",
    "PYTHONPATH", "PYTHONHOME", "OMP_NUM_THREADS",
)  # fmt: skip
#: Set by a parent that holds the child's stdin open for as long as it lives.
PARENT_PIPE = "FLIPADOPS_PARENT_PIPE"


def settle_environment() -> None:
    """What a process of ours wants of its libraries; call it before they are imported."""
    # Threads that spin while they wait cost several times the CPU beside other processes; OpenMP
    # reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Third parties must not phone home.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def python_module(module: str) -> tuple[str, ...]:
    """The command of a module of ours; a folder of its name where we work cannot shadow it."""
    return (sys.executable, "-P", "-m", module)


def bare_environment(**more: str) -> dict[str, str]:
    """What a Python process needs of this one's environment, and `more`.

    For a child that handles what others wrote: none of our credentials.
    """
    return {key: os.environ[key] for key in _KEPT if key in os.environ} | more


def limit_memory(gigabytes: float | None) -> None:
    """Limit this process and its children to so much address space; None or 0 is no limit."""
    if gigabytes:
        import resource  # not on every platform

        limit = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def end_with(pipe: IO[str]) -> None:
    """From now on, kill this process group when the pipe ends: whoever held it is gone."""

    def watch() -> None:
        while pipe.readline():
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def end_with_parent() -> None:
    """`end_with` stdin, if the parent said that it holds it; not for children of this process."""
    if os.environ.pop(PARENT_PIPE, ""):
        end_with(sys.stdin)
