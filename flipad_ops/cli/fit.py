"""`flipadops fit`: the attributor of a registered generator version."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class RecipeChoice(StrEnum):
    """Named settings, see `flipad_ops.fit_settings.recipe`."""

    default = "default"
    fast = "fast"
    paper = "paper"


def fit(
    uri: Annotated[
        str, typer.Argument(help="models:/NAME/VERSION, NAME@ALIAS or NAME.", metavar="MODEL")
    ],
    negatives: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of images that are not the model's own; repeatable."),
    ] = None,
    negatives_model: Annotated[
        list[str] | None,
        typer.Option(help="Registered generator to sample, NAME or NAME/VERSION; repeatable."),
    ] = None,
    recipe: Annotated[RecipeChoice, typer.Option(help="Named settings.")] = RecipeChoice.default,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    fnr: Annotated[
        float | None,
        typer.Option(help="Share of own images that may be missed (recipes: 0.005)."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    force: Annotated[
        bool, typer.Option("--force", help="Fit again and let the new attributor take over.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a pickled model whose owner opted in.")
    ] = False,
    experiment: Annotated[str, typer.Option(help="MLflow experiment of the run.")] = "flipad",
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fit, validate, calibrate and register the attributor of a generator version.

    Foreign images come from --negatives and --negatives-model; with neither, from the other
    registered versions that give images of the same size.
    """
    from flipad_ops.cli.progress import stages
    from pipelines.fit import FitRequest, run_fit

    request = FitRequest(
        uri=uri,
        negatives=tuple(str(folder) for folder in negatives or ()),
        negatives_models=tuple(negatives_model or ()),
        recipe=recipe.value,
        seed=seed,
        fnr=fnr,
        device=device,
        force=force,
        allow_pickle=allow_pickle,
        experiment=experiment,
        tracking_uri=tracking_uri,
    )
    with stages(quiet=quiet) as progress:
        outcome = run_fit(request, progress)
    for note in outcome.notes:
        sys.stderr.write(f"note: {note}\n")
    if as_json:
        sys.stdout.write(json.dumps(outcome.to_dict(), indent=2) + "\n")
    else:
        sys.stdout.write(outcome.text())
