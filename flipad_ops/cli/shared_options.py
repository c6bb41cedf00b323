"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.common.terminal import ColorChoice, set_color

Saved = Annotated[
    Path, typer.Argument(help="What `flipadops scan -o jsonl=FILE` wrote.", metavar="RUN.jsonl")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Load a pickled model whose owner opted in.")
]
TrackingUri = Annotated[
    str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
]
MemoryLimit = Annotated[
    float | None, typer.Option(min=1, help="GiB of address space for this process; not with CUDA.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Sign = Annotated[
    Path | None,
    typer.Option(
        envvar="FLIPADOPS_SIGN_KEY",
        help="Sign output files with this minisign key, into FILE.minisig.",
        metavar="KEYFILE",
    ),
]
Color = Annotated[
    ColorChoice,
    typer.Option(
        is_eager=True, callback=set_color, help="Of verdicts, on a terminal unless NO_COLOR is set."
    ),
]
