"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from flipad_ops.common.shown_text import printable
from flipad_ops.common.terminal import width, write_styled

#: A column that must give way keeps as many characters.
LEAST = 12
CUT, GAP = "...", "  "


def write_columns(
    rows: Sequence[Sequence[str]],
    stream: TextIO,
    indent: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Every column as wide as its widest cell; on a terminal, the widest ones give way until a row
    fits. The first row is the heading.

    Parameters
    ----------
    styles : mapping, optional
        Of words in the first column, see `terminal.STYLES`.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = fitted([max(map(len, column)) for column in zip(*rows, strict=True)], stream, indent)
    for index, row in enumerate(rows):
        cells = [cut(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True)]
        line = GAP.join(cells).rstrip()
        style = "aside" if index == 0 else (styles or {}).get(row[0], "")
        first = line if index == 0 else line[: len(row[0])] if style else ""
        stream.write(indent)
        write_styled(stream, first, style)
        stream.write(f"{line[len(first) :]}\n")


def fitted(widths: list[int], stream: TextIO, indent: str = "") -> list[int]:
    """Widths with which a row fits the terminal, if they can."""
    columns = width(stream)
    if columns is None:
        return widths
    room = columns - len(indent) - len(GAP) * (len(widths) - 1)
    widths = list(widths)
    while sum(widths) > room and max(widths) > LEAST:
        widest = widths.index(max(widths))
        widths[widest] = max(LEAST, widths[widest] - (sum(widths) - room))
    return widths


def cut(text: str, size: int) -> str:
    """Text in so many characters: of a path the end is kept, of other words the beginning."""
    if len(text) <= size:
        return text
    if "/" in text:
        return CUT + text[len(text) - size + len(CUT) :]
    return text[: size - len(CUT)] + CUT
