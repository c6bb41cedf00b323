"""Output formats by name, and writing them.

To add one: a file with an `OutputFormat`, and its line in FORMATS; or, in another package, an entry
point of the group `flipad_ops.outputs`. The command line takes names from here for its help, so
nothing heavy is imported before a format is used.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import UsageError
from flipad_ops.common.plugins import plugin, plugin_names

if TYPE_CHECKING:
    from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

#: Where each format is.
FORMATS = {
    "table": "flipad_ops.scanning.outputs.text_table:TABLE",
    "jsonl": "flipad_ops.scanning.outputs.structured:JSONL",
    "json": "flipad_ops.scanning.outputs.structured:JSON",
    "csv": "flipad_ops.scanning.outputs.structured:CSV",
    "junit": "flipad_ops.scanning.outputs.junit:JUNIT",
    "sarif": "flipad_ops.scanning.outputs.sarif:SARIF",
    "html": "flipad_ops.scanning.report.page:HTML",
    "parquet": "flipad_ops.scanning.outputs.parquet:PARQUET",
    "prometheus": "flipad_ops.scanning.outputs.prometheus:PROMETHEUS",
}
GROUP = "flipad_ops.outputs"


@dataclass(frozen=True)
class OutputFormat:
    """How an outcome is written.

    Parameters
    ----------
    write : callable
        Takes the outcome and a stream.
    binary : bool
        The stream is of bytes, and no terminal's.
    pictures : bool
        The outcome's pictures are shown; else they need not be made.
    """

    write: Callable[[ScanOutcome, Any], None]
    binary: bool = False
    pictures: bool = False


def format_names() -> list[str]:
    """All formats, other packages' too."""
    return [*FORMATS, *plugin_names(GROUP)]


def output_format(name: str) -> OutputFormat:
    """The format of a name.

    Raises
    ------
    UsageError
        Unknown.
    """
    if name in FORMATS:
        module, _, attribute = FORMATS[name].partition(":")
        found = getattr(import_module(module), attribute)
    else:
        found = plugin(GROUP, name)
    if not isinstance(found, OutputFormat):
        known = ", ".join(format_names())
        raise UsageError(f"Unknown output format {name!r}; known are {known}.")
    return found


def parse_output(text: str) -> tuple[str, Path | None]:
    """`FORMAT[=PATH]` to its parts.

    Raises
    ------
    UsageError
        Unknown format, empty path, or a format that needs a file.
    """
    name, equals, path = text.partition("=")
    binary = output_format(name).binary
    if equals and not path:
        raise UsageError(f"Output {text!r} names no file after '='.")
    if binary and not path:
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
            output_format(name).write(outcome, sys.stdout)
            sys.stdout.flush()
        else:
            _write_whole(output_format(name), outcome, path)
            if sign is not None:
                sign(path, outcome)


def _write_whole(form: OutputFormat, outcome: ScanOutcome, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if form.binary:
                form.write(outcome, file)
            else:
                # What is no UTF-8 in a key becomes visible instead of ending the report.
                with io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="") as stream:
                    form.write(outcome, stream)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
