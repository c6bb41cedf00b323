"""`flipadops demo`: the whole main job on real parts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.shared_options import Quiet


def demo(
    folder: Annotated[
        Path, typer.Option("--dir", file_okay=False, help="Where everything is kept and left.")
    ] = Path("flipadops-demo"),
    images: Annotated[int, typer.Option(min=4, help="Scanned images of each kind.")] = 12,
    seed: Annotated[int, typer.Option(min=0, max=100_000, help="Seed of everything.")] = 0,
    remake: Annotated[
        bool, typer.Option("--remake", help="Fit the second witness too: ten minutes more.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """From nothing to a verdict in a few minutes: a public face generator, its attributor, a scan.

    Registers two face generators that others published in a local MLflow, fits an attributor for
    one of them, and scans a folder that mixes its faces (PNG, JPEG, resized) with the other's and
    with photographs. A second demo in the same folder replaces the first. Exit code 1 when the
    scan did not tell them apart.
    """
    if not quiet:
        sys.stderr.write(f"flipadops demo: everything goes to {folder}; a few minutes on a CPU.\n")
    start = time.monotonic()
    # Before torch is loaded: threads that spin while they wait make a busy machine crawl.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from flipad_ops.common.progress import stages
    from flipad_ops.demo.main_job import DemoPlan, run_demo
    from flipad_ops.demo.verdict import write_verdict

    with stages(quiet=quiet) as progress:
        result = run_demo(folder, DemoPlan(scanned=images, seed=seed, remake=remake), progress)
    write_verdict(result, folder, time.monotonic() - start, sys.stdout)
    if not result.worked:
        sys.stderr.write("flipadops: the demo did not tell its images apart as it should.\n")
        raise typer.Exit(1)
