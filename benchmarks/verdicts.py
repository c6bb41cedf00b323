"""Benchmark of verdicts: what "leak" and "clean" promise, on what no fit has seen.

    python -m benchmarks.verdicts                       # all sections
    python -m benchmarks.verdicts --only photographs    # one again, the rest as it was
    python -m benchmarks.verdicts --budget 0.1          # less of everything

Writes benchmarks/results/verdicts.json and verdicts.md. Needs what benchmarks.regeneration needs,
and its fit of DCGAN 0.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.regeneration_parts.field import Field, said
from benchmarks.verdicts_parts import missed, needle, photograph_fits, repeated, tail_claims
from benchmarks.verdicts_parts.verdict_page import page
from benchmarks.zoo.train import cache_folder

Row = dict[str, Any]
NAME = "verdicts"
SECTIONS: dict[str, Callable[[Field], Iterator[Row]]] = {
    photograph_fits.SECTION: lambda field: photograph_fits.rows(
        field.zoo, field.zoo / "verdict-inversions", field.budget
    ),
    needle.SECTION: lambda field: needle.rows(field, field.count(needle.FILES, 200)),
    tail_claims.SECTION: tail_claims.rows,
    missed.SECTION: lambda field: missed.rows(field.zoo, field.count(missed.SHOWN, 100)),
    repeated.SECTION: lambda field: repeated.rows(field.budget),
}


def summarise(rows: list[Row]) -> Row:
    """Flat figures of all sections."""
    parts = (photograph_fits, needle, tail_claims, missed, repeated)
    return {name: value for part in parts for name, value in part.summarised(rows).items()}


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=float, default=1.0, help="factor on counts")
    parser.add_argument("--only", help="comma-separated sections: " + ", ".join(SECTIONS))
    parser.add_argument("--zoo", type=Path, help="where the zoo's checkpoints lie")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / f"{NAME}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows, seconds = list[Row](old.get("rows", [])), dict[str, int](old.get("cpu_s", {}))
    field = Field(cache_folder(options.zoo), options.budget)
    for section in (options.only or ",".join(SECTIONS)).split(","):
        begun, mine = time.process_time(), list[Row]()
        for row in SECTIONS[section](field):
            mine.append({"section": section, **row})
            said(json.dumps(mine[-1]))
        rows = [row for row in rows if row["section"] != section] + mine
        seconds[section] = round(time.process_time() - begun)
        result = {
            "command": "python -m benchmarks.verdicts", "machine": machine(),
            "summary": summarise(rows), "cpu_s": seconds, "rows": rows,
        }  # fmt: skip
        write_json(path, result)
        (options.out / f"{NAME}.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
