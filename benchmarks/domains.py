"""Benchmark of every kind of generator: one row a domain, FLIPAD against RawPAD and DCTPAD.

    python -m benchmarks.domains                       # all rows, merged into the results
    python -m benchmarks.domains --only tabular_wine,medical --budget 0.2
    python -m benchmarks.domains --page                # measure nothing, write the page again

Domains are the modules of benchmarks/domains_parts. Each runs in a process of its own, whose peak
memory is reported. Writes benchmarks/results/domains.json and domains.md; rows of domains that were
not run again stay.
"""

# This process stays small and loads no torch: a child's peak memory is never below its parent's.
from __future__ import annotations

import argparse
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import domains_parts
from benchmarks.domains_frame.page import page
from benchmarks.frame.results import RESULTS, machine, write_json


def domains() -> list[str]:
    """Names of all domains."""
    modules = pkgutil.iter_modules(domains_parts.__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def measured(name: str, budget: float, seed: int) -> dict[str, Any]:
    """The row, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.domains_frame.measure", name, str(budget)]
    environment = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    ended = subprocess.run(
        [*command, str(seed)], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def merge(rows: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All rows in `folder`, with `rows` in place of older ones; both files are written."""
    path = folder / "domains.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}
    every = dict(sorted({**old["rows"], **rows}.items()))
    write_json(path, {"machine": machine(), "rows": every})
    (folder / "domains.md").write_text(page(every, machine()), encoding="utf-8")
    return every


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="comma-separated domains: " + ", ".join(domains()))
    parser.add_argument("--budget", type=float, default=1.0, help="factor on sample counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="write the page of measured rows")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    names = options.only.split(",") if options.only else domains()
    unknown = sorted(set(names) - set(domains()))
    if unknown:
        parser.error(f"no such domain: {unknown[0]}; known are {', '.join(domains())}")
    merge({}, options.out)
    for name in [] if options.page else names:
        row = measured(name, options.budget, options.seed)
        merge({name: row}, options.out)  # after each, so that a stopped run keeps what it has
        found = {m: round(table["all"]["accuracy"], 3) for m, table in row["methods"].items()}
        sys.stderr.write(f"{name}: {found}, fit {row['fit_s']} s\n")


if __name__ == "__main__":
    main()
