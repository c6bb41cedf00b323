"""`flipadops fit`: the attributor of a registered generator version."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.log_format import LogFormat, LogFormatChoice
from flipad_ops.common.log import context


class RecipeChoice(StrEnum):
    """Named settings, see `flipad_ops.attribution.fit_settings.recipe`."""

    default = "default"
    immunised = "immunised"
    fast = "fast"
    paper = "paper"


def fit(
    uri: Annotated[
        str | None,
        typer.Argument(help="models:/NAME/VERSION, NAME@ALIAS or NAME.", metavar="[MODEL]"),
    ] = None,
    all_missing: Annotated[
        bool, typer.Option("--all-missing", help="Every version without an attributor instead.")
    ] = False,
    negatives: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or s3://BUCKET/PREFIX of images that are not the model's own; for a "
            "table a .csv or .parquet file of such rows; repeatable."
        ),
    ] = None,
    negatives_model: Annotated[
        list[str] | None,
        typer.Option(help="Registered generator to sample, NAME or NAME/VERSION; repeatable."),
    ] = None,
    recipe: Annotated[RecipeChoice, typer.Option(help="Named settings.")] = RecipeChoice.default,
    settings: Annotated[
        Path | None, typer.Option(help="JSON file of settings; overrides recipe, seed and fnr.")
    ] = None,
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
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds until the fit of a version is given up; default none."),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(min=1, help="GiB of address space for this process; not with CUDA."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Fit, validate, calibrate and register the attributor of a generator version.

    Foreign images come from --negatives and --negatives-model; with neither, from the other
    registered versions that give images of the same size.

    Exit codes: 0 fitted (or there already), 2 it cannot be, 4 the time limit passed; with
    --all-missing 4 if any cannot.
    """
    from flipad_ops.common import time_limit as limit
    from flipad_ops.common.child_process import limit_memory
    from flipad_ops.common.errors import FlipadError, UsageError
    from flipad_ops.common.exit_codes import INCOMPLETE
    from flipad_ops.common.progress import stages
    from flipad_ops.common.tracing import fit_span
    from flipad_ops.workflows.fit import FitRequest, run_fit
    from flipad_ops.workflows.fit_request import read_settings

    if (uri is None) != all_missing:
        raise UsageError("Name one version, models:/NAME/VERSION, or use --all-missing.")
    uris = [uri] if uri is not None else _missing(tracking_uri)
    request = FitRequest(
        uri="",
        negatives=tuple(negatives or ()),
        negatives_models=tuple(negatives_model or ()),
        recipe=recipe.value,
        settings=None if settings is None else read_settings(settings),
        seed=seed,
        fnr=fnr,
        device=device,
        force=force,
        allow_pickle=allow_pickle,
        experiment=experiment,
        tracking_uri=tracking_uri,
    )
    limit_memory(memory_limit)
    failed = 0
    for position, each in enumerate(uris):
        context(model=each)
        if all_missing and not quiet:
            sys.stderr.write(f"{each} ({position + 1} of {len(uris)})\n")
        try:
            with (
                limit.time_limit(time_limit, f"The fit of {each}", INCOMPLETE),
                stages(quiet=quiet) as shown,
                fit_span(shown, model=each) as progress,
            ):
                outcome = run_fit(replace(request, uri=each), progress)
        except FlipadError as error:
            if not all_missing:
                raise
            failed += 1
            sys.stderr.write(f"flipadops: {each}: {error}\n")
            continue
        for note in outcome.notes:
            sys.stderr.write(f"note: {note}\n")
        if as_json:
            # One object per line with --all-missing, so that a reader need not wait for the last.
            indent = None if all_missing else 2
            sys.stdout.write(json.dumps(outcome.to_dict(), indent=indent) + "\n")
        else:
            sys.stdout.write(outcome.text())
    if all_missing:
        context(model=None)
        done = len(uris) - failed
        sys.stderr.write(f"{done} of {len(uris)} versions without an attributor fitted\n")
    if failed:
        raise typer.Exit(INCOMPLETE)


def _missing(tracking_uri: str | None) -> list[str]:
    from flipad_ops.registry.inventory import inventory

    return [entry.uri for entry in inventory(None, tracking_uri) if entry.missing]
