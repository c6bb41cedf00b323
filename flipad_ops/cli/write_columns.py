"""Rows of text in columns on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def write_columns(rows: Sequence[Sequence[str]]) -> None:
    """Every column as wide as its widest cell; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
