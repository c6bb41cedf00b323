"""What goes to stderr: text, or one JSON object a line; secrets hidden in both.

In JSON also what was written as text (our own sentences, other libraries' lines, click's usage
errors), warnings and uncaught errors become objects. What C code writes to the file descriptor
does not.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import sys
import threading
import time
from enum import StrEnum
from typing import Any, TextIO

from flipad_ops.common.redaction import scrub
from flipad_ops.common.shown_text import visible

#: Children inherit the format by it.
FORMAT = "FLIPADOPS_LOG_FORMAT"
#: Set by the hooks for a scheduled scan.
SCHEDULE = "FLIPADOPS_SCHEDULE"
#: Of log records, besides those that every one has.
FIELDS = ("model", "version", "schedule", "channel", "exit_code")

_LEVELS = (
    ("warning:", "warning"),
    ("error:", "error"),
    ("Error:", "error"),
    ("flipadops:", "error"),
)


class LogFormatChoice(StrEnum):
    """How lines on stderr are written."""

    text = "text"
    json = "json"


class _Lines(io.TextIOBase):
    """A stderr that hides secrets, a line at a time."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, raw: TextIO) -> None:
        self.raw, self._rest, self._lock = raw, "", threading.RLock()
        atexit.register(self.finish)

    def write(self, text: str) -> int:
        """Take text; what has no line end yet waits for it."""
        if not isinstance(text, str):
            raise TypeError("stderr takes text")
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self.line(line)
        return len(text)

    def line(self, line: str) -> None:
        """Write one line on."""
        self.put(visible(scrub(line)))

    def put(self, line: str) -> None:
        """Write a line as it is."""
        with self._lock:
            if not self.raw.closed:
                self.raw.write(f"{line}\n")
                self.raw.flush()

    def finish(self) -> None:
        """Write what waits for a line end."""
        if self._rest:
            self.write("\n")

    def fileno(self) -> int:
        return self.raw.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class _JsonLines(_Lines):
    """The same, each line an object."""

    def line(self, line: str) -> None:
        """Wrap a line of text; blank ones say nothing."""
        if line.strip():
            starts = (level for start, level in _LEVELS if line.startswith(start))
            self.entry(next(starts, "info"), "stderr", line.rstrip())

    def entry(self, level: str, logger: str, message: str, **more: Any) -> None:
        """Write one object; `more` are further fields."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        found: dict[str, Any] = {
            "time": f"{stamp}.{int(now % 1 * 1000):03d}Z",
            "level": level,
            "logger": logger,
            "message": message,
        }
        if schedule := os.environ.get(SCHEDULE):
            found["schedule"] = schedule
        # Scrubbed value by value: in JSON's escapes a secret might look different.
        found |= _context | more
        self.put(json.dumps({k: scrub(v) if isinstance(v, str) else v for k, v in found.items()}))


class _JsonHandler(logging.Handler):
    def __init__(self, lines: _JsonLines) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            more = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
            if record.exc_info:
                more["exception"] = logging.Formatter().formatException(record.exc_info)
            level = record.levelname.lower()
            self.lines.entry(level, record.name, record.getMessage().strip(), **more)
        except Exception:
            self.handleError(record)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


_context: dict[str, Any] = {}


def context(**fields: Any) -> None:
    """Fields of every object from here on."""
    _context.update(fields)


def set_up(choice: LogFormatChoice) -> LogFormatChoice:
    """Write stderr in this format, here and in children."""
    if choice is LogFormatChoice.json or FORMAT in os.environ:
        os.environ[FORMAT] = choice.value
    wrapped = _JsonLines if choice is LogFormatChoice.json else _Lines
    if type(sys.stderr) is wrapped:
        return choice
    raw: Any = sys.stderr.raw if isinstance(sys.stderr, _Lines) else sys.stderr
    if choice is LogFormatChoice.text:
        # A terminal shows bars, whose sequences must not wait for a line end.
        sys.stderr = raw if raw.isatty() else _Lines(raw)
        return choice
    lines = _JsonLines(raw)
    sys.stderr = lines
    logging.basicConfig(level=logging.WARNING, handlers=[_JsonHandler(lines)], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda found: _uncaught(
        found.exc_type, found.exc_value, found.exc_traceback
    )
    return choice


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if error is not None and not issubclass(kind, SystemExit):
        what = f"{kind.__name__}: {error}"
        logging.getLogger("flipad").critical(what, exc_info=(kind, error, trace))


def from_environment(words: list[str] | None = None) -> None:
    """JSON if the environment or a command line asks for it: before the command line is parsed,
    so that what is wrong with it is written as asked, too."""
    asked = os.environ.get(FORMAT)
    words = words or []
    for word, value in zip(words, [*words[1:], ""], strict=False):
        if word == "--log-format":
            asked = value
        elif word.startswith("--log-format="):
            asked = word.partition("=")[2]
    set_up(LogFormatChoice.json if asked == "json" else LogFormatChoice.text)


def service_log() -> None:
    """Our own lines tell the story; MLflow's and Alembic's are for their authors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_TextFormatter("%(asctime)s %(levelname)s %(message)s"))
    # Does nothing where JSON is set up.
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger().setLevel(logging.INFO)
    for name in ("alembic", "apprise", "apscheduler", "mlflow", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def end(message: str, code: int) -> None:
    """The last line of a command that failed: one sentence and, in JSON, the exit code."""
    if isinstance(sys.stderr, _JsonLines):
        sys.stderr.entry("error", "flipadops", message, exit_code=code)
    else:
        sys.stderr.write(f"flipadops: {visible(scrub(message))}\n")
