"""Logs of fits and scans, read for people: their end, and only below the hooks' own folder."""

from __future__ import annotations

from pathlib import Path

from flipad_ops.common.shown_text import visible

#: Bytes of the end that are shown.
SHOWN = 64 * 1024


def log_end(path: str | Path | None, logs: Path, most: int = SHOWN) -> str | None:
    """The last lines; None where there is no such file here, or it lies elsewhere."""
    if not path:
        return None
    try:
        real = Path(path).resolve()
        if not real.is_relative_to(logs.resolve()) or not real.is_file():
            return None
        with real.open("rb") as stream:
            stream.seek(max(0, real.stat().st_size - most))
            text = stream.read(most).decode("utf-8", "replace")
    except OSError:
        return None
    return visible(text)


def last_line(path: str | Path | None, logs: Path) -> str:
    """The last line that is not empty, "" for none: of a running fit its stage."""
    lines = (log_end(path, logs, 4096) or "").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:200]
