"""`flipadops fit`: the attributor of a registered generator version."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import typer

from flipad_ops.cli import fit_options as opt
from flipad_ops.cli.log_format import LogFormat, LogFormatChoice
from flipad_ops.cli.shared_options import (
    AllowPickle,
    AsJson,
    Device,
    MemoryLimit,
    Quiet,
    TrackingUri,
)
from flipad_ops.common.log import context
from flipad_ops.common.shown_text import printable

if TYPE_CHECKING:
    from flipad_ops.workflows.fit_request import FitOutcome, FitRequest


def fit(
    uri: opt.Uri = None,
    all_missing: opt.AllMissing = False,
    negatives: opt.Negatives = None,
    negatives_model: opt.NegativesModel = None,
    no_registry: opt.NoRegistry = False,
    group: opt.Group = "",
    patch_scale: opt.PatchScale = 0.0,
    recipe: opt.Recipe = opt.RecipeChoice.default,
    settings: opt.Settings = None,
    seed: opt.Seed = 0,
    fnr: opt.Fnr = None,
    device: Device = "cpu",
    force: opt.Force = False,
    accept_weak: opt.AcceptWeak = "",
    data_docs: opt.DataDocs = False,
    allow_pickle: AllowPickle = False,
    experiment: opt.Experiment = "flipad",
    tracking_uri: TrackingUri = None,
    time_limit: opt.TimeLimit = None,
    memory_limit: MemoryLimit = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Fit, validate, calibrate and register the attributor of a generator version.

    Foreign images come from --negatives, --negatives-model and, without --no-registry, from other
    registered versions that give images of the same size.

    Exit codes: 0 fitted (or there already), 2 it cannot be, 4 the time limit passed, 6 fitted, but
    weak and not published, 8 no registry answers; with --all-missing 4 if any cannot, else 6 if any
    is weak.
    """
    request = _request(SimpleNamespace(**locals()))
    from flipad_ops.common.child_process import limit_memory
    from flipad_ops.common.errors import FlipadError
    from flipad_ops.common.exit_codes import ATTRIBUTOR, INCOMPLETE

    limit_memory(memory_limit)
    uris = [uri] if uri is not None else _missing(tracking_uri)
    failed = weak = 0
    for position, each in enumerate(uris, 1):
        context(model=each)
        if all_missing and not quiet:
            sys.stderr.write(f"{printable(each)} ({position} of {len(uris)})\n")
        try:
            outcome = _fit_one(replace(request, uri=each), quiet, time_limit)
        except FlipadError as error:
            if not all_missing:
                raise
            failed += 1
            sys.stderr.write(f"flipadops: {printable(f'{each}: {error}')}\n")
            continue
        weak += outcome.held_back
        _tell(outcome, as_json, all_missing, quiet)
    if all_missing:
        context(model=None)
        done = len(uris) - failed - weak
        sys.stderr.write(f"{done} of {len(uris)} versions without an attributor fitted\n")
    if failed or weak:
        raise typer.Exit(INCOMPLETE if failed else ATTRIBUTOR)


def _request(given: SimpleNamespace) -> FitRequest:
    """The options, as the workflow takes them, checked before torch is imported."""
    from flipad_ops.common.errors import UsageError
    from flipad_ops.workflows.fit_checks import check_request
    from flipad_ops.workflows.fit_request import FitRequest, read_settings

    if (given.uri is None) != given.all_missing:
        raise UsageError("Name one version, models:/NAME/VERSION, or use --all-missing.")
    same = (
        "group", "patch_scale", "seed", "fnr", "device", "force", "data_docs", "allow_pickle",
        "experiment", "tracking_uri",
    )  # fmt: skip
    request = FitRequest(
        uri=given.uri or "",
        negatives=tuple(given.negatives or ()),
        negatives_models=tuple(given.negatives_model or ()),
        registry=not given.no_registry,
        recipe=given.recipe.value,
        settings=None if given.settings is None else read_settings(given.settings),
        accept_weak=given.accept_weak.strip(),
        **{name: getattr(given, name) for name in same},
    )
    check_request(request)
    return request


def _tell(outcome: FitOutcome, as_json: bool, all_missing: bool, quiet: bool) -> None:
    for note in outcome.notes:
        sys.stderr.write(f"note: {printable(note)}\n")
    # One object per line with --all-missing, so that a reader need not wait for the last.
    sys.stdout.write(_text(outcome, as_json, None if all_missing else 2))
    if outcome.champion and not (quiet or all_missing):
        sys.stderr.write(f"next: flipadops scan TARGET --model {printable(outcome.generator)}\n")


def _text(outcome: FitOutcome, as_json: bool, indent: int | None) -> str:
    return json.dumps(outcome.to_dict(), indent=indent) + "\n" if as_json else outcome.text()


def _missing(tracking_uri: str | None) -> list[str]:
    from flipad_ops.registry.inventory import missing_attributors

    return missing_attributors(tracking_uri)


def _fit_one(request: FitRequest, quiet: bool, time_limit: float | None) -> FitOutcome:
    from flipad_ops.common import time_limit as limit
    from flipad_ops.common.exit_codes import INCOMPLETE
    from flipad_ops.common.progress import stages
    from flipad_ops.common.quick_imports import quick_imports
    from flipad_ops.common.tracing import fit_span

    with (
        limit.time_limit(time_limit, f"The fit of {request.uri}", INCOMPLETE),
        stages(quiet=quiet) as shown,
        fit_span(shown, model=request.uri) as progress,
    ):
        progress("load", 0, 0)  # libraries first, for seconds
        with quick_imports():
            from flipad_ops.workflows.fit import fit

        return fit(request, progress)
