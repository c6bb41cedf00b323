"""The results as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.frame.pages import bullets, table, text
from benchmarks.verdicts_parts import missed, needle, photograph_fits, repeated, tail_claims


def page(result: Mapping[str, Any]) -> str:
    """Markdown."""
    lines = ["# Verdicts", "", f"`{result['command']}` on {result['machine']}.", ""]
    lines += bullets(result["summary"])
    for part in (photograph_fits, needle, tail_claims, missed, repeated):
        rows = [row for row in result["rows"] if row["section"] == part.SECTION]
        if not rows:
            continue
        lines += ["", f"## {part.SECTION.capitalize()}", "", *(part.__doc__ or "").splitlines(), ""]
        for columns in dict.fromkeys(tuple(row) for row in rows):
            shown = [name for name in columns if name != "section"]
            alike = [row for row in rows if tuple(row) == columns]
            lines += [*table(shown, ([row[name] for name in shown] for row in alike)), ""]
    return text(lines)
