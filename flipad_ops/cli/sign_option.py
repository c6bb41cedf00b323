"""The option of commands that write records: sign them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

Sign = Annotated[
    Path | None,
    typer.Option(
        envvar="FLIPADOPS_SIGN_KEY",
        help="Sign output files with this minisign key, into FILE.minisig.",
        metavar="KEYFILE",
    ),
]


def open_signer(key: Path | None) -> Callable[[Path, ScanOutcome], object] | None:
    """What signs a file, or None without a key; raises UsageError as `Signer` does."""
    if key is None:
        return None
    from flipad_ops.scanning.outcome.signing import Signer

    return Signer(key).sign
