"""Markdown of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """The lines of a table, head first."""
    head = list(columns)
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def bullets(figures: Mapping[str, Any]) -> list[str]:
    """One line a figure."""
    return [f"- {key}: {value}" for key, value in figures.items()]


def listed(figures: Mapping[str, Any]) -> str:
    """All on one line."""
    return ", ".join(f"{key} {value}" for key, value in figures.items())


def text(lines: Iterable[str]) -> str:
    """Lines as a file."""
    return "\n".join(lines) + "\n"
