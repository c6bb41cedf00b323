"""Benchmark of the second witness: can the generator make this very image again?

    python -m benchmarks.regeneration                  # all sections
    python -m benchmarks.regeneration --only taef2     # one section again, the rest as it was
    python -m benchmarks.regeneration --only zoo --again   # with its fits made anew
    python -m benchmarks.regeneration --finished       # page and plot of what was measured

Writes benchmarks/results/regeneration.json, regeneration.md and regeneration.svg. Fits are kept in
the zoo's cache folder, by budget; docs/regeneration.md says what has to be installed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.regeneration_parts.field import Field, Row, said
from benchmarks.regeneration_parts.figures import summarise
from benchmarks.regeneration_parts.page import page
from benchmarks.regeneration_parts.plot import write_plot
from benchmarks.regeneration_parts.sections import SECTIONS
from benchmarks.zoo.train import cache_folder

NAME = "regeneration"


def merge(
    old: dict[str, Any], section: str, rows: list[Row], seconds: tuple[float, float], budget: float
) -> dict[str, Any]:
    """Results with `section` measured anew; `seconds` are of CPU and of the clock."""
    times = {**old.get("seconds", {}), section: [round(s) for s in seconds]}
    budgets = {**old.get("budgets", {}), section: budget}
    others = [row for row in old.get("rows", []) if row["section"] != section]
    order = list(SECTIONS)
    merged = sorted([*others, *rows], key=lambda row: order.index(row["section"]))
    return {
        **old,
        "summary": summarise(merged),
        "seconds": {name: times[name] for name in SECTIONS if name in times},
        "budgets": {name: budgets[name] for name in SECTIONS if name in budgets},
        "rows": merged,
    }


def write(result: dict[str, Any], folder: Path) -> None:
    """The three files."""
    write_json(folder / f"{NAME}.json", result)
    (folder / f"{NAME}.md").write_text(page(result), encoding="utf-8")
    write_plot(result["rows"], folder / f"{NAME}.svg")


def measured(section: str, field: Field) -> tuple[list[Row], tuple[float, float]]:
    """The rows of a section, and the seconds of CPU and of the clock that they took."""
    cpu, clock, rows = time.process_time(), time.perf_counter(), []
    for row in SECTIONS[section](field):
        rows.append(row)
        said(json.dumps(row))
    return rows, (time.process_time() - cpu, time.perf_counter() - clock)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=float, default=1.0, help="factor on image counts")
    parser.add_argument("--only", help="comma-separated sections: " + ", ".join(SECTIONS))
    parser.add_argument("--targets", type=int, default=3, choices=(1, 2, 3), help="of the zoo")
    parser.add_argument("--again", action="store_true", help="fit anew what is kept")
    parser.add_argument("--finished", action="store_true", help="measure nothing")
    parser.add_argument("--zoo", type=Path, help="where the zoo's checkpoints lie")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / f"{NAME}.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.finished:
        write({**result, "summary": summarise(result["rows"])}, options.out)
        return
    zoo = cache_folder(options.zoo)
    field = Field(zoo, options.budget, options.targets, options.again)
    head = {"command": "python -m benchmarks.regeneration", "machine": machine()}
    for section in (options.only or ",".join(SECTIONS)).split(","):
        rows, seconds = measured(section, field)
        result = merge({**result, **head}, section, rows, seconds, options.budget)
        write(result, options.out)


if __name__ == "__main__":
    main()
