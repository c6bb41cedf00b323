"""Output formats by name. Each writer takes an outcome and a text stream."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs.junit import write_junit
from flipad_ops.scanning.outputs.parquet import write_parquet
from flipad_ops.scanning.outputs.sarif import write_sarif
from flipad_ops.scanning.outputs.structured import write_csv, write_json, write_jsonl
from flipad_ops.scanning.outputs.text_table import write_table

Writer = Callable[[ScanOutcome, TextIO], None]


def _write_html(outcome: ScanOutcome, stream: TextIO) -> None:
    from flipad_ops.scanning.report.page import render  # Jinja2 only when asked for

    stream.write(render(outcome))


def _write_prometheus(outcome: ScanOutcome, stream: TextIO) -> None:
    from flipad_ops.scanning.outputs.prometheus import write_prometheus

    write_prometheus(outcome, stream)


WRITERS: dict[str, Writer] = {
    "table": write_table,
    "jsonl": write_jsonl,
    "json": write_json,
    "csv": write_csv,
    "junit": write_junit,
    "sarif": write_sarif,
    "html": _write_html,
    "prometheus": _write_prometheus,
}

#: Formats that are no text and need a file.
BINARY: dict[str, Callable[[ScanOutcome, Path], None]] = {"parquet": write_parquet}
FORMATS = (*WRITERS, *BINARY)


def parse_output(text: str) -> tuple[str, Path | None]:
    """`FORMAT[=PATH]` to its parts.

    Raises
    ------
    UsageError
        Unknown format, empty path, or a format that needs a file.
    """
    name, equals, path = text.partition("=")
    if name not in FORMATS:
        raise UsageError(f"Unknown output format {name!r}; known are {', '.join(FORMATS)}.")
    if equals and not path:
        raise UsageError(f"Output {text!r} names no file after '='.")
    if name in BINARY and not path:
        raise UsageError(f"Output {name} needs a file: {name}=PATH.")
    return name, Path(path) if path else None


def check_outputs(outputs: list[tuple[str, Path | None]]) -> None:
    """Refuse before scanning what could not be written after it.

    Raises
    ------
    UsageError
        Two formats for stdout, or a folder that does not exist.
    """
    if sum(path is None for _, path in outputs) > 1:
        raise UsageError("Only one output can go to stdout; give the others a file: FORMAT=PATH.")
    for _, path in outputs:
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"Folder {path.parent} for output {path.name} does not exist.")


def write_outputs(
    outcome: ScanOutcome,
    outputs: list[tuple[str, Path | None]],
    sign: Callable[[Path, ScanOutcome], object] | None = None,
) -> None:
    """Write every output; files appear whole or not at all, and are signed if that is asked for."""
    for name, path in outputs:
        if path is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")
            WRITERS[name](outcome, sys.stdout)
            sys.stdout.flush()
        else:
            _write_whole(name, outcome, path)
            if sign is not None:
                sign(path, outcome)


def _write_whole(name: str, outcome: ScanOutcome, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # What is no UTF-8 in a key becomes visible instead of ending the report.
        with os.fdopen(
            handle, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as stream:
            if name in BINARY:
                BINARY[name](outcome, Path(temporary))
            else:
                WRITERS[name](outcome, stream)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
