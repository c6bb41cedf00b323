"""Benchmark of attribution: the paper's tables on the zoo.

    python -m benchmarks.zoo.train          # once; trains what is not cached
    python -m benchmarks.quality            # all tables
    python -m benchmarks.quality --finished # tables of what was measured so far
    python -m benchmarks.quality --budget 0.2 --targets 1 --only ours,rawpad

Writes benchmarks/results/quality.json, quality.md and quality.svg. Inversions and finished rows are
remembered in the zoo's cache folder; changed code needs --again, which measures rows again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.quality_parts.fdr import realised_fpr, simulate
from benchmarks.quality_parts.markdown import write_markdown
from benchmarks.quality_parts.material import Sizes, Target, load_target
from benchmarks.quality_parts.measures import columns
from benchmarks.quality_parts.perturbations import PERTURBATIONS
from benchmarks.quality_parts.plot import write_plot
from benchmarks.quality_parts.rows import METHODS, timed
from benchmarks.quality_parts.summary import summarise
from benchmarks.zoo.train import cache_folder

FEW = 20
#: Table 3 is measured on so many targets, for time.
PERTURBED_TARGETS = 3
#: Rows whose scans are simulated.
ERROR_RATES = ("ours", "ours+")


def measure(target: Target, name: str, cache: Path) -> dict[str, Any]:
    """One method on one target: a record per test set and perturbation."""
    method = METHODS[name]
    fitted, seconds = timed(method, target, cache)
    few = FEW if method.few else None
    own = fitted.score(target.own_test[:few])
    foreign = {test: fitted.score(images[:few]) for test, images in target.tests.items()}
    records = {test: columns(own, scores, fitted.threshold) for test, scores in foreign.items()}
    records["all"] = columns(own, np.concatenate(list(foreign.values())), fitted.threshold)
    perturbed = {}
    if not method.few and target.seed < PERTURBED_TARGETS:
        for how in PERTURBATIONS:
            ours, real = (fitted.score(images) for images in target.perturbed(how))
            perturbed[how] = columns(ours, real, fitted.threshold)
    extra = {}
    if name in ERROR_RATES:
        attributor = fitted.attributor
        assert attributor is not None
        null = {k: np.asarray(v) for k, v in attributor.calibration.null_scores.items()}
        held_out = {"real": fitted.score(target.more_real)}
        held_out |= {k: fitted.score(images) for k, images in target.more_seen.items() if k in null}
        extra = {
            "fpr": realised_fpr(null, held_out),
            "fdr": simulate(null, held_out, own, fitted.threshold, target.seed),
        }
    return {
        **extra, "method": name, "target": target.seed, "fit_cpu_s": round(seconds, 1),
        "own": len(own), "foreign": {test: len(scores) for test, scores in foreign.items()},
        "tests": records, "perturbed": perturbed,
    }  # fmt: skip


def write(rows: list[dict[str, Any]], options: argparse.Namespace, folder: Path) -> None:
    """The three kinds of files, so far as rows exist."""
    head = {
        "machine": machine(),
        "command": "python -m benchmarks.quality " + " ".join(sys.argv[1:]),
        "budget": options.budget,
        "sizes": vars(Sizes().scaled(options.budget)),
    }
    result = {"summary": summarise(rows), **head, "rows": rows}
    write_json(folder / "quality.json", result)
    write_markdown(result, folder / "quality.md")
    write_plot(rows, folder / "quality.svg")


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=1.0, help="factor on sample counts")
    parser.add_argument("--targets", type=int, default=3, help="versions under protection")
    parser.add_argument("--first", type=int, default=0, help="seed of the first of them")
    parser.add_argument("--only", help="comma-separated methods: " + ", ".join(METHODS))
    parser.add_argument("--zoo", type=Path, help="where the zoo's checkpoints lie")
    parser.add_argument("--zoo-budget", type=float, default=1.0)
    parser.add_argument("--again", action="store_true", help="measure finished rows again")
    parser.add_argument(
        "--finished", action="store_true", help="measure nothing, write tables of finished rows"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    zoo = cache_folder(options.zoo, options.zoo_budget)
    rows = []
    for seed in range(options.first, options.first + options.targets):
        target = None
        for name in (options.only or ",".join(METHODS)).split(","):
            path = zoo / "rows" / f"{options.budget:g}" / f"{name}-{seed}.json"
            if options.finished and not path.exists():
                continue
            if options.again or not path.exists():
                target = target or load_target(seed, zoo, Sizes().scaled(options.budget))
                row = measure(target, name, zoo / "inversions")
                write_json(path, row)
                tests = {test: round(c["accuracy"], 3) for test, c in row["tests"].items()}
                sys.stderr.write(f"target {seed} {name} {row['fit_cpu_s']} s {tests}\n")
            rows.append(json.loads(path.read_text(encoding="utf-8")))
            write(rows, options, options.out)


if __name__ == "__main__":
    main()
