"""The page of results about real generators."""

from __future__ import annotations

from typing import Any

HEAD = """# Real generators

Fits whose only foreign source are photographs; nothing tested was seen by a fit, one photograph
an origin. *Alone* is the first witness without the generator. Intervals are of 95% (Clopper and
Pearson).

| generator | images of | images | attributed | 95% | alone |
|---|---|---|---|---|---|
"""


def page(result: dict[str, Any]) -> str:
    """Markdown."""
    lines = []
    for row in result["rows"]:
        low, high = row["attributed_95"]
        lines.append(
            f"| {row['generator']} | {row['kind']} | {row['images']} | {row['attributed']} "
            f"| {low:.1%} to {high:.1%} | {row['without_second']} |\n"
        )
    said = {row["generator"]: row.get("second_witness", "") for row in result["rows"]}
    lines += [f"\n{name}: {told}\n" for name, told in said.items() if "left out" in told]
    lines.append("\n| figure | |\n|---|---|\n")
    lines += [f"| {name} | {value} |\n" for name, value in result["summary"].items()]
    return f"{HEAD}{''.join(lines)}\nMachine: {result['machine']}.\n"
