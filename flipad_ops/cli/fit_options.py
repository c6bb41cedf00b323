"""Options of `flipadops fit`, and what they may be."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class RecipeChoice(StrEnum):
    """Named settings, see `flipad_ops.attribution.fit_settings.recipe`."""

    default = "default"
    fast = "fast"
    paper = "paper"


Uri = Annotated[
    str | None, typer.Argument(help="models:/NAME/VERSION, NAME@ALIAS or NAME.", metavar="[MODEL]")
]
AllMissing = Annotated[
    bool, typer.Option("--all-missing", help="Every version without an attributor instead.")
]
Negatives = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder or s3://BUCKET/PREFIX of images that are not the model's own; for a "
        "table a .csv or .parquet file of such rows; repeatable."
    ),
]
NegativesModel = Annotated[
    list[str] | None,
    typer.Option(help="Registered generator to sample, NAME or NAME/VERSION; repeatable."),
]
NoRegistry = Annotated[
    bool,
    typer.Option("--no-registry", help="Sample no other registered version than those named."),
]
Group = Annotated[
    str,
    typer.Option(
        help="Regular expression over file names of --negatives: files of which it finds the same "
        "are of one origin (photograph, video)."
    ),
]
PatchScale = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Shrink larger images of --negatives to so many times the size of an own image before "
        "patches are cut; 0 cuts them as they are.",
    ),
]
Recipe = Annotated[RecipeChoice, typer.Option(help="Named settings.")]
Settings = Annotated[
    Path | None, typer.Option(help="JSON file of settings; overrides recipe, seed and fnr.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Fnr = Annotated[
    float | None, typer.Option(help="Share of own images that may be missed (recipes: 0.005).")
]
Force = Annotated[
    bool, typer.Option("--force", help="Fit again and let the new attributor take over.")
]
AcceptWeak = Annotated[
    str,
    typer.Option(
        help="Publish an attributor that attributes held-out foreign images all the same; the "
        "reason is recorded.",
        metavar="REASON",
    ),
]
DataDocs = Annotated[
    bool,
    typer.Option(
        "--data-docs", help="Add great_expectations' pages of the data-quality gate to the run."
    ),
]
Experiment = Annotated[str, typer.Option(help="MLflow experiment of the run.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(min=1, help="Seconds until the fit of a version is given up; default none."),
]
