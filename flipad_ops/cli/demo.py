"""`flipadops demo`: the whole main job on small real parts."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

TRUTH = {
    "own": "new samples of version 1",
    "sibling": "samples of version 2, the same network trained from another seed",
    "real": "patches of real photographs",
}


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where everything is kept.")] = Path(
        "flipadops-demo"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each generator.")] = 500,
    images: Annotated[int, typer.Option(min=10, help="Scanned images of each kind.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer samples: to see it run, not to judge it.")
    ] = False,
) -> None:
    """From nothing to a verdict in a few minutes: two small generators, their attributors, a scan.

    Trains two versions of a generator on real photographs, registers them in a local MLflow,
    fits an attributor for each, and scans a folder that mixes version 1's images with version
    2's and real ones.
    """
    from dataclasses import replace

    from flipad_ops.cli.progress import stages
    from flipad_ops.demo.run import MODEL, DemoPlan, run_demo
    from flipad_ops.scanning.outputs.table import write_table

    plan = DemoPlan(steps=steps, scanned=images, seed=seed)
    if quick:
        smaller = replace(
            plan.settings, own_train=200, own_calibration=100, own_test=50, anchor_samples=100,
            max_negatives=400,
        )  # fmt: skip
        plan = replace(plan, settings=smaller)
    start = time.monotonic()
    with stages() as progress:
        result = run_demo(folder, plan, progress)
    write_table(result.outcome, sys.stdout)
    sys.stdout.write("\n")
    for kind, truth in TRUTH.items():
        sys.stdout.write(
            f"  {kind:8} {result.flagged[kind]:3d} of {result.counts[kind]} attributed  ({truth})\n"
        )
    sys.stdout.write(
        f"\n{time.monotonic() - start:.0f} s. Report: {folder / 'report.html'}\n"
        f"Next:  cd {folder}\n"
        f"       flipadops scan found --model {MODEL} -o table\n"
        f"       mlflow ui --backend-store-uri sqlite:///mlflow.db\n"
    )
    if not result.worked:
        sys.stderr.write("flipadops: the demo did not separate its images as it should.\n")
        raise typer.Exit(1)
