"""`--state` to a ledger: a SQLite file for one scan at a time, or a Delta table for many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.over_time import YEARLY_IN_FDR
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.ledger.lock import only_one
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access


@contextmanager
def open_ledger(
    text: str, access: S3Access = AS_CONFIGURED, *, must_exist: bool = False
) -> Iterator[Ledger]:
    """The ledger that `text` names, for as long as the block runs.

    Parameters
    ----------
    text : str
        A file, `s3://bucket/prefix`, or `delta://folder`.
    must_exist : bool
        Refuse to begin a new one (`--resume`).

    Raises
    ------
    StateError
        Missing, unusable, or a file in use by another scan.
    UsageError
        A Delta table without the package deltalake.
    """
    from flipad_ops.scanning.ledger.delta.place import find_place, is_delta

    if is_delta(text):
        from flipad_ops.scanning.ledger.delta import DeltaLedger

        with tempfile.TemporaryDirectory(prefix="flipad-ledger-") as folder:
            path = Path(folder, "rows.db")
            yield DeltaLedger(find_place(text, access), path, must_exist=must_exist)
        return
    with only_one(Path(text)):
        yield SqliteLedger(Path(text), must_exist=must_exist)


def yearly_level(wanted: float | None, text: str | None, fdr: float) -> float:
    """The yearly level that the scans of a ledger share; 0 where each is decided by itself.

    Parameters
    ----------
    wanted : float or None
        None: `YEARLY_IN_FDR` times `fdr` for a file, which one scan at a time uses, and 0 for a
        table, whose scans would spend the same level at once, and without a ledger.
    text : str or None
        As for `open_ledger`.
    fdr : float

    Raises
    ------
    UsageError
        It is wanted where no ledger keeps it.
    """
    from flipad_ops.scanning.ledger.delta.place import is_delta

    kept = text is not None and not is_delta(text)
    if wanted and not kept:
        raise UsageError("--yearly needs a ledger in a file, which keeps it: --state FILE.")
    return wanted if wanted is not None else min(1.0, YEARLY_IN_FDR * fdr) * kept
