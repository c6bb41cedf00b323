"""One scan at a time per ledger: two would move each other's rows."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flipad_ops.common.errors import StateError


@contextmanager
def only_one(ledger: Path | None) -> Iterator[None]:
    """Hold `LEDGER.lock` while the block runs; the system lets go of it if we die.

    Raises
    ------
    StateError
        Another scan holds it, or it cannot be made.
    """
    if ledger is None:
        yield
        return
    try:
        stream = ledger.with_name(f"{ledger.name}.lock").open("a")
    except OSError as error:
        raise StateError(f"Ledger {ledger} cannot be used: {error.strerror}.") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(f"Another scan is using the ledger {ledger}.") from error
        yield
