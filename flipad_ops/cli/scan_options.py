"""Options of `flipadops scan`, and what they may be."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.scanning.outputs import FORMATS

_SELECTION, _RECORD = "Selection, before any read", "Records"


class FailOnChoice(StrEnum):
    """What makes the exit code 3."""

    leak = "leak"
    accepted = "accepted"
    review = "review"
    never = "never"


class SizeChoice(StrEnum):
    """What to do with images of another size."""

    reject = "reject"
    centre_crop = "centre-crop"
    resize = "resize"
    search = "search"


class EngineChoice(StrEnum):
    """What runs the scan."""

    local = "local"
    ray = "ray"


Targets = Annotated[
    list[str],
    typer.Argument(
        help="s3://BUCKET/PREFIX, folder, file, manifest (.parquet, .csv, .jsonl), or a table "
        "whose rows are the samples (.parquet, .csv).",
        metavar="TARGET...",
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="NAME, NAME/VERSION or NAME@ALIAS; repeatable."),
]
AllModels = Annotated[bool, typer.Option("--all-models", help="Every registered attributor.")]
Output = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", help=f"{', '.join(FORMATS)} [=PATH]; repeatable."),
]
Fdr = Annotated[float, typer.Option(min=1e-6, max=0.5, help="False discovery rate.")]
FailOn = Annotated[
    FailOnChoice,
    typer.Option(
        help="What gives exit code 3: leaks and called groups; accepted, also images for review "
        "that both witnesses accept; review, every attributed image; or never."
    ),
]
MaxErrors = Annotated[int, typer.Option(min=0, help="Unreadable objects tolerated.")]
MaxSkipped = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the images that may be skipped.")
]
Yearly = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Probability of any false call in a year of scans with one --state FILE; 5 times the "
        "FDR unless given, 0 decides every scan by itself.",
    ),
]
SizeRule = Annotated[SizeChoice, typer.Option(help="Images of another size; search finds copies.")]
Group = Annotated[
    str,
    typer.Option(
        help="Regular expression over keys; what its first group finds is tested together, "
        "for example the frames of a clip. Else folders are.",
        metavar="REGEX",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Images per batch.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=256, help="Decoding processes; one per core.")
]
Engine = Annotated[EngineChoice, typer.Option(help="This machine, or a Ray cluster.")]
RayAddress = Annotated[
    str, typer.Option(envvar="RAY_ADDRESS", help="Of the cluster; none starts one here.")
]
RayWorkers = Annotated[int | None, typer.Option(min=1, help="On the cluster; one per CPU or GPU.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List and count only; read no object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]

Include = Annotated[
    list[str] | None, typer.Option(help="Glob of keys.", rich_help_panel=_SELECTION)
]
MaxObjectSize = Annotated[
    str, typer.Option(help="Larger ones are skipped.", rich_help_panel=_SELECTION)
]
Since = Annotated[str, typer.Option(help="Modified since: 7d or ISO.", rich_help_panel=_SELECTION)]
Frames = Annotated[
    int | None,
    typer.Option(min=1, help="N of each animated GIF, WebP or PNG.", rich_help_panel=_SELECTION),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N.", rich_help_panel=_SELECTION)]
Sample = Annotated[int | None, typer.Option(min=1, help="N at random.", rich_help_panel=_SELECTION)]
Seed = Annotated[int, typer.Option(help="Of --sample.", rich_help_panel=_SELECTION)]
Shard = Annotated[str, typer.Option(help="i/N, one of N parts.", rich_help_panel=_SELECTION)]

State = Annotated[
    str | None,
    typer.Option(
        help="Ledger to go on from: FILE, or a Delta table s3://... or delta://FOLDER.",
        metavar="LEDGER",
        rich_help_panel=_RECORD,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="--state must exist.", rich_help_panel=_RECORD)
]
Baseline = Annotated[
    Path | None, typer.Option(help="RUN.jsonl whose findings are known.", rich_help_panel=_RECORD)
]
IgnoreFile = Annotated[
    Path | None, typer.Option(help="Else ./.flipadignore.yaml.", rich_help_panel=_RECORD)
]
NoThumbnails = Annotated[
    bool, typer.Option("--no-thumbnails", help="No pictures.", rich_help_panel=_RECORD)
]
Gate = Annotated[
    bool, typer.Option("--gate", help="Check the score table.", rich_help_panel=_RECORD)
]
MlflowRun = Annotated[
    bool, typer.Option("--mlflow-run", help="Log to MLflow.", rich_help_panel=_RECORD)
]
