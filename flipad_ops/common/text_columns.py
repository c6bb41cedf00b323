"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from flipad_ops.common.shown_text import printable


def write_columns(rows: Sequence[Sequence[str]], stream: TextIO, indent: str = "") -> None:
    """Every column as wide as its widest cell; the first row is the heading."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        stream.write(indent + "  ".join(cells).rstrip() + "\n")
