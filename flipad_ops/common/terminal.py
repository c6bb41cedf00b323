"""What a terminal can show beside plain text: colour and weight, and its width.

Colours are for people: never in a file, in a pipe unless asked for, nor in JSON logs.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from enum import StrEnum
from typing import Any, TextIO

from flipad_ops.common.shown_text import visible

#: What words are shown in, by what they are.
STYLES = {
    "leak": "1;31", "review": "1;33", "incomplete": "1;33", "clean": "1;32",
    "head": "1", "aside": "2",
}  # fmt: skip
#: Columns of text are never narrower.
NARROWEST = 40


class ColorChoice(StrEnum):
    """When to colour."""

    auto = "auto"
    always = "always"
    never = "never"


_choice = ColorChoice.auto


def set_color(choice: ColorChoice) -> ColorChoice:
    """Colour from here on: `auto` asks the terminal and NO_COLOR."""
    global _choice
    _choice = choice
    return choice


def is_terminal(stream: Any) -> bool:
    """Whether a person looks at it."""
    return bool(getattr(stream, "isatty", bool)())


def width(stream: Any) -> int | None:
    """Columns of the terminal; None for a file or a pipe, which have no end of a line."""
    if not is_terminal(stream):
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def colored(stream: Any) -> bool:
    """Whether this stream takes colours."""
    if _choice is not ColorChoice.auto:
        return _choice is ColorChoice.always and stream in (sys.stdout, sys.stderr)
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and _knows_colors()


def write_styled(stream: TextIO, text: str, style: str) -> None:
    """Write text in a style of `STYLES`; plain where none is to be. Its own codes are shown, not
    sent, as of every text."""
    if not text or style not in STYLES or not colored(stream):
        stream.write(text)
        return
    raw = getattr(stream, "raw_text", stream)
    raw.write(f"\x1b[{STYLES[style]}m{visible(text)}\x1b[0m")


def write_wrapped(
    stream: TextIO, text: str, style: str = "", *, lead: int | None = None, indent: str = ""
) -> None:
    """One paragraph and its line end, in lines of the terminal's width.

    Parameters
    ----------
    lead : int or None
        Only so many characters have the style.
    indent : str
        Before every line.
    """
    columns = width(stream)
    lines = [f"{indent}{text}"]
    if columns:
        lines = textwrap.wrap(
            text, columns, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
    whole = "\n".join(lines)
    lead = len(whole) if lead is None else len(indent) + lead
    write_styled(stream, whole[:lead], style)
    stream.write(f"{whole[lead:]}\n")


def _knows_colors() -> bool:
    return os.environ.get("TERM", "") not in ("", "dumb")
