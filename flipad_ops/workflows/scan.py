"""Scan stored images with registered attributors, from the plan to the written outputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import TrackingError, UsageError
from flipad_ops.common.progress import ScanProgress
from flipad_ops.common.quick_imports import quick_imports
from flipad_ops.common.redaction import scrub
from flipad_ops.common.tracing import span
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.signing import Signer
from flipad_ops.scanning.outputs import check_outputs, output_format, parse_output, write_outputs
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import LocalTarget, open_target
from flipad_ops.workflows.scan_request import ScanRequest as ScanRequest  # part of the call
from flipad_ops.workflows.size_check import check_size_rule

if TYPE_CHECKING:
    from flipad_ops.attribution.scorer import Scorer
    from flipad_ops.scanning.outcome.suppress import Suppressions
    from flipad_ops.scanning.pipeline.engine import Engine

#: Called with (objects done, images attributed so far).
Progress = Callable[[int, int], None]
#: See `common.progress.stages`.
Stages = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]


def scan(
    request: ScanRequest,
    progress: Progress = lambda done, found: None,
    *,
    signals: bool = False,
    report: Callable[[ScanOutcome], None] = lambda outcome: None,
    stages: Stages = lambda: nullcontext(lambda stage, done, total: None),
) -> ScanOutcome:
    """Load the attributors, scan, decide, and write what was asked for.

    Parameters
    ----------
    signals : bool
        Whether SIGINT and SIGTERM end the scan after the batch in hand.
    report : callable
        Shown the outcome once the outputs are written, while the ledger is still ours. Later its
        rows are read from the ledger anew, as the next scan with it leaves them.
    stages : callable
        Opens what shows (stage, done, total) of the work after the scan.

    Returns
    -------
    ScanOutcome
        `run_id` names the MLflow run if there is one, `unrecorded` says why there is none.

    Raises
    ------
    UsageError, StateError
        Before anything is read.
    AttributorError
        An attributor is missing or cannot be used.
    TargetError, NothingToScan, EngineError
        See `flipad_ops.scanning.pipeline.run.run_scan`.
    """
    outputs, pictured = _outputs(request)
    sign = None if request.sign is None else Signer(request.sign).sign
    plan, suppressions = _plan(request)
    with quick_imports():  # torch, after all cheap checks
        from flipad_ops.scanning.ledger.open_ledger import open_ledger
        from flipad_ops.scanning.pipeline.run import run_scan
        from flipad_ops.scanning.pipeline.stop import stop_signals
        from flipad_ops.scanning.plan.count_ahead import count_ahead

    with ExitStack() as stack:
        stack.enter_context(span("scan", engine=request.engine, targets=len(request.targets)))
        ledger = None
        if request.state is not None:
            ledger = stack.enter_context(
                open_ledger(request.state, request.access, must_exist=request.resume)
            )
        scorers, plan = _load(request, plan)
        engine = _engine(request, scorers)
        check_size_rule(plan.size_rule, scorers)  # again: the engine may have silenced one
        stop = stack.enter_context(stop_signals()) if signals else lambda: 0
        with span("scan read and score"):
            if isinstance(progress, ScanProgress):
                count_ahead(plan, progress.expect)
            outcome = run_scan(plan, scorers, progress, ledger=ledger, stop=stop, engine=engine)
        if isinstance(progress, ScanProgress):
            progress.end()
        outcome.command = scrub(request.command)
        if pictured:
            _picture(request, outcome, scorers, stages)
        outcome.warnings += filter(None, (getattr(each, "silent", "") for each in scorers))
        outcome.warnings += suppressions.warnings() if outcome.complete else []
        if request.check_scores:
            from flipad_ops.workflows.score_quality import check_scores

            outcome.broken += check_scores(outcome)
        with span("scan outputs"):
            outcome.unwritten = write_outputs(outcome, outputs, sign)
        report(outcome)
        if request.track:
            from flipad_ops.workflows.scan_tracking import log_scan

            try:
                outcome.run_id = log_scan(outcome, request.tracking_uri)
            except TrackingError as error:  # what was found stays found
                outcome.unrecorded = str(error)
    return outcome


def preview_scan(
    request: ScanRequest, progress: Progress = lambda done, found: None
) -> dict[str, Any]:
    """What the scan would read and could decide, told from the listing alone.

    Raises
    ------
    UsageError, StateError, AttributorError, TargetError, NothingToScan
    """
    from flipad_ops.scanning.plan.dry_run import preview

    check_outputs([parse_output(text) for text in request.outputs])
    plan, _ = _plan(request)
    scorers, plan = _load(request, plan)
    return preview(plan, scorers, progress)


def _outputs(request: ScanRequest) -> tuple[list[tuple[str, Path | None]], bool]:
    """What is to be written, and whether pictures are in it."""
    outputs = [parse_output(text) for text in request.outputs]
    check_outputs(outputs)
    pictured = request.track or any(output_format(name).pictures for name, _ in outputs)
    if request.illustrate and not pictured:
        raise UsageError("--illustrate is for a report with pictures: -o html=report.html.")
    return outputs, pictured


def _plan(request: ScanRequest) -> tuple[ScanPlan, Suppressions]:
    """All that can be checked without the registry."""
    from flipad_ops.registry.store import need_store
    from flipad_ops.registry.uris import parse_model
    from flipad_ops.scanning.ledger.open_ledger import yearly_level
    from flipad_ops.scanning.outcome.suppress import load_suppressions

    if request.engine == "ray":
        from flipad_ops.scanning.ray.cluster import need_ray

        need_ray(request.ray_address)
    names = [text for text in request.models if not os.path.isdir(text)]
    for name in names:
        parse_model(name)
    if names or request.all_models:
        need_store(request.tracking_uri)
    suppressions = load_suppressions(request.ignore_file, request.baseline)
    targets = [open_target(text, request.access) for text in request.targets]
    if len(targets) == 1 and isinstance(targets[0], LocalTarget):
        targets[0].check_there()  # of several, those before the missing one are scanned
    plan = ScanPlan(
        targets=targets,
        fdr=request.fdr,
        batch_size=request.batch_size,
        size_rule=request.size_rule,
        limits=DecodeLimits(max_bytes=request.max_object_size),
        max_errors=request.max_errors,
        max_skipped=request.max_skipped,
        selection=request.selection,
        workers=request.workers,
        suppress=suppressions,
        group=request.group,
        yearly=yearly_level(request.yearly, request.state, request.fdr),
    )
    return plan, suppressions


def _load(request: ScanRequest, plan: ScanPlan) -> tuple[list[Scorer], ScanPlan]:
    with quick_imports():
        from flipad_ops.registry.scorers import load_scorers
    from flipad_ops.scanning.plan.samples_within import with_frames, with_tables

    # On Ray the workers have the device; this process only decides.
    device = "cpu" if request.engine == "ray" else request.device
    with span("scan load"):
        scorers = load_scorers(
            request.models, request.all_models, device, request.tracking_uri, request.allow_pickle
        )
    check_size_rule(request.size_rule, scorers)
    return scorers, with_frames(with_tables(plan, scorers))


def _engine(request: ScanRequest, scorers: list[Scorer]) -> Engine | None:
    if request.engine == "local":
        return None
    from flipad_ops.registry.shipping import ship
    from flipad_ops.scanning.ray.ray_engine import RayEngine

    shipped = ship(scorers, request.tracking_uri, request.allow_pickle)
    return RayEngine(shipped, request.device, request.ray_workers, request.ray_address)


def _picture(
    request: ScanRequest, outcome: ScanOutcome, scorers: list[Scorer], stages: Stages
) -> None:
    from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit

    if request.pictures and not outcome.interrupted:
        illustrators = None
        if request.illustrate:
            from flipad_ops.registry.illustrators import Illustrators

            device = "cpu" if request.engine == "ray" else request.device
            given = (device, request.tracking_uri, request.allow_pickle)
            illustrators = Illustrators(scorers, *given)
        with span("scan pictures"), stages() as told:
            outcome.exhibits = collect_exhibits(
                outcome, scorers, illustrators=illustrators, told=told
            )
            outcome.reference = reference_exhibit(scorers)
