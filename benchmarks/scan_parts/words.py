"""The results as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("page.md")


def in_words(results: dict[str, Any]) -> str:
    """Goals, method and every figure of the summary."""
    summary, machine = results["summary"], results["machine"]
    figures = summary | {"q_of_planted_prefix": summary["q_of_planted_prefix"] or 1.0}
    return PAGE.read_text().format(
        **figures,
        objects=results["objects"],
        stage_objects=results["stage_objects"],
        fewer=results["stage_objects"] // 4,
        cores=machine["cores"],
        threads=machine["threads"],
        rounds=len(results["runs"]["stages"]),
        screened=summary["screen_share_of_objects"],
        rescan=results["runs"]["changed"][0]["seconds"],
        rows="\n".join(f"| {name} | {_number(value)} |" for name, value in summary.items()),
    )


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
