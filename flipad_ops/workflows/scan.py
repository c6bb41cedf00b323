"""Scan stored images with registered attributors, from the plan to the written outputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flipad_ops.common.errors import StateError, TrackingError, UsageError
from flipad_ops.common.redaction import scrub
from flipad_ops.common.tracing import span
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.scanning.decisions.coverage import MOST_SKIPPED
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.signing import Signer
from flipad_ops.scanning.outputs import check_outputs, output_format, parse_output, write_outputs
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import AS_CONFIGURED, S3Access, open_target
from flipad_ops.storage.selection import Selection
from flipad_ops.workflows.size_check import check_size_rule

if TYPE_CHECKING:
    from flipad_ops.attribution.scorer import Scorer
    from flipad_ops.scanning.outcome.suppress import Suppressions
    from flipad_ops.scanning.pipeline.engine import Engine

#: Called with (objects done, images attributed so far).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ScanRequest:
    """One scan, as `flipadops scan` takes it.

    Parameters
    ----------
    targets : tuple of str
        s3://BUCKET/PREFIX, folders, files, manifests, or tables whose rows are the samples.
    models : tuple of str
        NAME, NAME/VERSION or NAME@ALIAS of generators, or folders that hold an attributor.
    all_models : bool
        Every registered attributor as well.
    outputs : tuple of str
        FORMAT or FORMAT=PATH; without a path to stdout.
    fdr : float
        False discovery rate over the scan, all attributors together.
    selection : Selection
        Which listed objects are read.
    max_object_size : int
        Bytes; larger objects are skipped.
    max_errors : int
        More unreadable objects than this make the scan incomplete.
    max_skipped : float
        A larger share of the images skipped makes the scan incomplete.
    yearly : float or None
        P(any false call in a year of scans without an own image), which the scans of a ledger
        share; 0 decides every scan by itself. None: 5 * fdr for a ledger in a file, else 0.
    size_rule : {"reject", "centre-crop", "resize", "search"}
        Images of another size.
    group : str
        Regular expression over keys: what is tested together; "" for folders.
    access : S3Access
    batch_size : int
    workers : int or None
        Decoding processes; None takes one per core, 0 decodes in this process.
    device : str
    engine : {"local", "ray"}
    ray_address, ray_workers
        The cluster, "" for one started here, and how many workers on it.
    state : str or None
        Ledger to go on from: a file, s3://BUCKET/PREFIX or delta://FOLDER.
    resume : bool
        The ledger must exist.
    baseline, ignore_file : Path or None
        Saved scan whose findings are known; suppressions (else ./.flipadignore.yaml).
    pictures : bool
        Thumbnails in reports.
    check_scores : bool
        Gate the score table with great_expectations.
    track : bool
        Log the scan to MLflow.
    sign : Path or None
        minisign key for the output files.
    tracking_uri : str or None
    allow_pickle : bool
        Load pickled generators of second witnesses whose owners opted in.
    command : str
        Command line for the record.
    """

    targets: tuple[str, ...]
    models: tuple[str, ...] = ()
    all_models: bool = False
    outputs: tuple[str, ...] = ()
    fdr: float = 0.01
    selection: Selection = field(default_factory=Selection)
    max_object_size: int = 50_000_000
    max_errors: int = 0
    max_skipped: float = MOST_SKIPPED
    yearly: float | None = None
    size_rule: SizeRule = "reject"
    group: str = ""
    access: S3Access = AS_CONFIGURED
    batch_size: int = 64
    workers: int | None = None
    device: str = "cpu"
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
    ray_workers: int | None = None
    state: str | None = None
    resume: bool = False
    baseline: Path | None = None
    ignore_file: Path | None = None
    pictures: bool = True
    check_scores: bool = False
    track: bool = False
    sign: Path | None = None
    tracking_uri: str | None = None
    allow_pickle: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        if not self.models and not self.all_models:
            raise UsageError("Name an attributor with --model NAME, or use --all-models.")
        if self.resume and self.state is None:
            raise StateError("--resume needs the ledger to resume from: --state LEDGER.")


def scan(
    request: ScanRequest,
    progress: Progress = lambda done, found: None,
    *,
    signals: bool = False,
    report: Callable[[ScanOutcome], None] = lambda outcome: None,
) -> ScanOutcome:
    """Load the attributors, scan, decide, and write what was asked for.

    Parameters
    ----------
    signals : bool
        Whether SIGINT and SIGTERM end the scan after the batch in hand.
    report : callable
        Shown the outcome once the outputs are written, while the ledger is still ours. Later its
        rows are read from the ledger anew, as the next scan with it leaves them.

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
    from flipad_ops.scanning.ledger.open_ledger import open_ledger
    from flipad_ops.scanning.pipeline.run import run_scan
    from flipad_ops.scanning.pipeline.stop import stop_signals

    outputs = [parse_output(text) for text in request.outputs]
    check_outputs(outputs)
    sign = None if request.sign is None else Signer(request.sign).sign
    plan, suppressions = _plan(request)
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
            outcome = run_scan(plan, scorers, progress, ledger=ledger, stop=stop, engine=engine)
        outcome.command = scrub(request.command)
        if request.track or any(output_format(name).pictures for name, _ in outputs):
            _picture(request, outcome, scorers)
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


def _plan(request: ScanRequest) -> tuple[ScanPlan, Suppressions]:
    """All that can be checked without the registry."""
    from flipad_ops.scanning.ledger.open_ledger import yearly_level
    from flipad_ops.scanning.outcome.suppress import load_suppressions

    if request.engine == "ray":
        from flipad_ops.scanning.ray.cluster import need_ray

        need_ray(request.ray_address)
    suppressions = load_suppressions(request.ignore_file, request.baseline)
    plan = ScanPlan(
        targets=[open_target(text, request.access) for text in request.targets],
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
    from flipad_ops.registry.scorers import load_scorers  # MLflow, after all cheap checks
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


def _picture(request: ScanRequest, outcome: ScanOutcome, scorers: list[Scorer]) -> None:
    from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit

    if request.pictures and not outcome.interrupted:
        with span("scan pictures"):
            outcome.exhibits = collect_exhibits(outcome, scorers)
            outcome.reference = reference_exhibit(scorers)
