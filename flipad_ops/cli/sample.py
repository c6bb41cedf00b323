"""`flipadops sample`: own samples as files, for a look or for a test of a scan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.shared_options import AllowPickle, Device, TrackingUri


def sample(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION", metavar="MODEL")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the PNG files; for a table a .csv file.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many images.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 1_000_003,
    device: Device = "cpu",
    allow_pickle: AllowPickle = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Draw samples from a registered generator: PNG files of its bits, or rows of a CSV file."""
    from flipad_ops.common.progress import waiting
    from flipad_ops.registry.store import need_store
    from flipad_ops.registry.uris import parse_model

    parse_model(uri)
    need_store(tracking_uri)
    with waiting(f"sampling {uri}"):
        from flipad_ops.registry.generators import load_generator

        generator = load_generator(
            uri, device=device, allow_pickle=allow_pickle, tracking_uri=tracking_uri
        )
        samples = generator.sample(count, seed)
        generator.space.save(samples, out, f"{generator.name}-v{generator.version}-{seed}")
    sys.stderr.write(f"{count} {generator.space.unit}s written to {out}\n")
