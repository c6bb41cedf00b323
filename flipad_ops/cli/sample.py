"""`flipadops sample`: own samples as files, for a look or for a test of a scan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def sample(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION", metavar="MODEL")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the PNG files; for a table a .csv file.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many images.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 1_000_003,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a pickled model whose owner opted in.")
    ] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
) -> None:
    """Draw samples from a registered generator: PNG files of its bits, or rows of a CSV file."""
    from flipad_ops.registry.generators import load_generator

    generator = load_generator(
        uri, device=device, allow_pickle=allow_pickle, tracking_uri=tracking_uri
    )
    samples = generator.sample(count, seed)
    generator.space.save(samples, out, f"{generator.name}-v{generator.version}-{seed}")
    sys.stderr.write(f"{count} {generator.space.unit}s written to {out}\n")
