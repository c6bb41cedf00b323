"""Benchmark of adversaries: who wants an image not to be found, or found where it is not ours.

    python -m benchmarks.adversaries                  # all sections, half an hour of a core
    python -m benchmarks.adversaries --only gradient  # one section again, the rest as it was
    python -m benchmarks.adversaries --finished       # page and plot of what was measured

Writes benchmarks/results/adversaries.json, adversaries.md and adversaries.svg. Trains the four zoo
members it needs and fits the default recipe; all is kept in the zoo's cache folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.adversary_parts.page import page, summarise
from benchmarks.adversary_parts.plot import write_plot
from benchmarks.adversary_parts.sections import SECTIONS, Counts, Field
from benchmarks.adversary_parts.target import NEEDED, SIZES, fitted, scene, train_zoo
from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.zoo.train import cache_folder
from flipad_ops.attribution.attributor import Attributor

NAME = "adversaries"


def merge(
    old: dict[str, Any], section: str, rows: list[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """Results with `section` measured anew."""
    seconds_of = {**old.get("cpu_s", {}), section: round(seconds)}
    others = [row for row in old.get("rows", []) if row["section"] != section]
    order = list(SECTIONS)
    merged = sorted([*others, *rows], key=lambda row: order.index(row["section"]))
    return {
        **old,
        "summary": summarise(merged),
        "cpu_s": {name: s for name in SECTIONS if (s := seconds_of.get(name)) is not None},
        "rows": merged,
    }


def material(attributor: Attributor) -> dict[str, int]:
    """How many images the fit was given."""
    own = (f"own_{part}" for part in ("train", "calibration", "test"))
    return {
        **{name: getattr(attributor.settings, name) for name in own},
        "real": SIZES.real + SIZES.null,
        "of each sibling": SIZES.siblings + SIZES.null,
    }


def write(result: dict[str, Any], folder: Path) -> None:
    """The three files."""
    write_json(folder / f"{NAME}.json", result)
    (folder / f"{NAME}.md").write_text(page(result), encoding="utf-8")
    write_plot(result["rows"], folder / f"{NAME}.svg")


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=float, default=1.0, help="factor on image counts")
    parser.add_argument("--only", help="comma-separated sections: " + ", ".join(SECTIONS))
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
    counts = Counts().scaled(options.budget)
    zoo = cache_folder(options.zoo)
    begin = time.process_time()
    train_zoo(zoo)
    attributor = fitted(zoo)
    sys.stderr.write(f"zoo and fit: {time.process_time() - begin:.0f} CPU s\n")
    field = Field(attributor, scene(zoo, max(vars(counts).values())), counts, zoo)
    head = {
        "command": "python -m benchmarks.adversaries",
        "machine": machine(),
        "target": NEEDED[0],
        "counts": vars(counts),
        "fit": material(attributor),
    }
    for section in (options.only or ",".join(SECTIONS)).split(","):
        begin, rows = time.process_time(), []
        for row in SECTIONS[section](field):
            rows.append(row)
            sys.stderr.write(f"{json.dumps(row)}\n")
        result = merge({**result, **head}, section, rows, time.process_time() - begin)
        write(result, options.out)


if __name__ == "__main__":
    main()
