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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flipad_ops.common.errors import UsageError, first_line
from flipad_ops.common.extras import need
from flipad_ops.common.near_names import did_you_mean
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
    "markdown": "flipad_ops.scanning.outputs.markdown:MARKDOWN",
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
    extra : str
        Of `flipad_ops.common.extras`, without which it cannot be written.
    pages : callable, optional
        Takes the outcome and the name of its file: names and texts of all files that belong to it,
        that one first.
    """

    write: Callable[[ScanOutcome, Any], None]
    binary: bool = False
    pictures: bool = False
    extra: str = ""
    pages: Callable[[ScanOutcome, str], Iterator[tuple[str, Iterable[str]]]] | None = None


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
        names = format_names()
        known = f"; known are {', '.join(names)}."
        raise UsageError(f"Unknown output format {name!r}{did_you_mean(name, names, known)}")
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
        Two formats for stdout or one file, no folder for a file, or no right to write it.
    ExtraMissing
    """
    for name, _ in outputs:
        if extra := output_format(name).extra:
            need(extra, f"Output {name}")
    if sum(path is None for _, path in outputs) > 1:
        raise UsageError("Only one output can go to stdout; give the others a file: FORMAT=PATH.")
    files = [path for _, path in outputs if path is not None]
    for path in files:
        if not os.path.isdir(path.parent):
            raise UsageError(f"Folder {path.parent} for output {path.name} does not exist.")
        if os.path.isdir(path):
            raise UsageError(f"Output {path} is a folder.")
        if not os.access(path if _is_special(path) else path.parent, os.W_OK):
            raise UsageError(f"Output {path} cannot be written: permission denied.")
    if len({os.path.abspath(path) for path in files}) < len(files):
        raise UsageError("Two outputs go to the same file.")


def write_outputs(
    outcome: ScanOutcome,
    outputs: list[tuple[str, Path | None]],
    sign: Callable[[Path, ScanOutcome], object] | None = None,
) -> list[str]:
    """Write every output, files first; they appear whole or not at all, and signed if asked for.

    Returns
    -------
    list of str
        A sentence for each output that could not be written, which keeps no other from it.
    """
    failed = []
    for name, path in sorted(outputs, key=lambda output: output[1] is None):
        try:
            if path is None:
                _write_stdout(output_format(name), outcome)
                continue
            for file, write in _files(output_format(name), outcome, path):
                (_write_on if _is_special(file) else _write_whole)(write, file)
                if sign is not None:
                    sign(file, outcome)
        except Exception as error:  # whatever a format of another package raises
            said = error.strerror if isinstance(error, OSError) else None
            where = "stdout" if path is None else path
            failed.append(f"Output {name} to {where} failed: {said or first_line(error)}.")
    return failed


def _is_special(path: Path) -> bool:
    """Whether something is there that is no file, and not to be replaced by one: a pipe, say."""
    return os.path.exists(path) and not os.path.isfile(path)


def _write_stdout(form: OutputFormat, outcome: ScanOutcome) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        form.write(outcome, sys.stdout)
        sys.stdout.flush()
    except OSError:
        # What is left in its buffer would fail again when the process ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


Write = Callable[[BinaryIO], None]


def _files(form: OutputFormat, outcome: ScanOutcome, path: Path) -> Iterator[tuple[Path, Write]]:
    """What goes where: mostly one file."""
    if form.pages is None or _is_special(path):
        yield path, lambda file: _write_to(form, outcome, file)
        return
    for name, text in form.pages(outcome, path.name):
        yield path.with_name(name), partial(_write_text, text)


def _write_on(write: Write, path: Path) -> None:
    with path.open("wb") as file:
        write(file)


def _write_whole(write: Write, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".flipadops.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _write_to(form: OutputFormat, outcome: ScanOutcome, file: BinaryIO) -> None:
    if form.binary:
        form.write(outcome, file)
    else:
        with _text(file) as stream:
            form.write(outcome, stream)


def _write_text(pieces: Iterable[str], file: BinaryIO) -> None:
    with _text(file) as stream:
        stream.writelines(pieces)


def _text(file: BinaryIO) -> io.TextIOWrapper:
    # What is no UTF-8 in a key becomes visible instead of ending the report.
    return io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
