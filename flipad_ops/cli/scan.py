"""`flipadops scan`: stored images in, verdict and exit code out."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import typer

from flipad_ops.cli import scan_options as opt
from flipad_ops.cli.log_format import LogFormat, LogFormatChoice
from flipad_ops.cli.s3_options import (
    EndpointUrl,
    NoSignRequest,
    Profile,
    Region,
    RequesterPays,
    RoleArn,
)
from flipad_ops.cli.shared_options import AllowPickle, Color, Device, Sign, TrackingUri
from flipad_ops.common.log import context, end
from flipad_ops.common.terminal import ColorChoice, is_terminal

if TYPE_CHECKING:
    from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
    from flipad_ops.workflows.scan_request import ScanRequest


def scan(
    ctx: typer.Context,
    targets: opt.Targets = None,
    model: opt.Model = None,
    all_models: opt.AllModels = False,
    output: opt.ScanOutput = None,
    fdr: opt.Fdr = 0.01,
    fail_on: opt.FailOn = opt.FailOnChoice.accepted,
    max_errors: opt.MaxErrors = 0,
    max_skipped: opt.MaxSkipped = 0.5,
    yearly: opt.Yearly = None,
    size_rule: opt.SizeRule = opt.SizeChoice.reject,
    group: opt.Group = "",
    batch_size: opt.BatchSize = 64,
    workers: opt.Workers = None,
    device: Device = "cpu",
    allow_pickle: AllowPickle = False,
    engine: opt.Engine = opt.EngineChoice.local,
    ray_address: opt.RayAddress = "",
    ray_workers: opt.RayWorkers = None,
    dry_run: opt.DryRun = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: Color = ColorChoice.auto,
    include: opt.Include = None,
    exclude: opt.Exclude = None,
    max_object_size: opt.MaxObjectSize = "50MB",
    since: opt.Since = "",
    frames: opt.Frames = None,
    limit: opt.Limit = None,
    sample: opt.Sample = None,
    seed: opt.Seed = 0,
    shard: opt.Shard = "",
    profile: Profile = "",
    role_arn: RoleArn = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    no_sign_request: NoSignRequest = False,
    requester_pays: RequesterPays = False,
    state: opt.State = None,
    resume: opt.Resume = False,
    baseline: opt.Baseline = None,
    ignore_file: opt.IgnoreFile = None,
    no_thumbnails: opt.NoThumbnails = False,
    illustrate: opt.Illustrate = False,
    gate: opt.Gate = False,
    mlflow_run: opt.MlflowRun = False,
    sign: Sign = None,
    tracking_uri: TrackingUri = None,
    log_format: LogFormat = LogFormatChoice.text,
    config: opt.Config = None,
    scan_profile: opt.ScanProfile = "",
) -> None:
    """Say which stored images a registered generator made.

    Exit codes: 0 nothing found, 2 usage, 3 findings (--fail-on), 4 incomplete, 5 nothing scanned,
    6 attributor missing or unusable, 7 nothing found, but an output or MLflow lacks it, 8 no
    registry answers, 130 or 143 interrupted (the ledger keeps what was done).
    """
    given = SimpleNamespace(**locals())
    from flipad_ops.common.progress import counter, stages
    from flipad_ops.scanning.plan.dry_run import write_preview
    from flipad_ops.workflows import scan as work

    given.model, given.all_models = opt.one_choice(ctx, model, all_models)
    context(**({"model": given.model[0]} if len(given.model) == 1 else {}))
    request = _request(given)
    with counter("images", quiet=quiet) as progress:
        if dry_run:
            as_json = request.outputs[0] == "json"
            return write_preview(work.preview_scan(request, progress), as_json, sys.stdout)
        told = partial(_report, given, request)
        after = partial(stages, quiet=quiet)
        outcome = work.scan(request, progress, signals=True, report=told, stages=after)
    raise typer.Exit(_end(quiet, outcome, fail_on))


def _request(given: SimpleNamespace) -> ScanRequest:
    """The options, as the workflow takes them."""
    from flipad_ops.storage import S3Access
    from flipad_ops.storage.selection import Selection, parse_size
    from flipad_ops.workflows.scan_request import ScanRequest

    access = S3Access(
        given.profile, given.role_arn, given.region, given.endpoint_url, given.no_sign_request,
        given.requester_pays,
    )  # fmt: skip
    selection = Selection(
        tuple(given.include or ()), tuple(given.exclude or ()), given.since, given.shard,
        given.sample, given.seed, given.limit, given.frames,
    )  # fmt: skip
    same = (
        "all_models", "fdr", "max_errors", "max_skipped", "group", "device", "batch_size",
        "workers", "state", "resume", "ray_address", "ray_workers", "baseline", "ignore_file",
        "yearly", "sign", "tracking_uri", "allow_pickle", "illustrate",
    )  # fmt: skip
    return ScanRequest(
        targets=tuple(given.targets or ()), models=tuple(given.model), access=access,
        outputs=tuple(given.output or ["table"]), selection=selection,
        max_object_size=parse_size(given.max_object_size), engine=given.engine.value,
        size_rule=given.size_rule.value, pictures=not given.no_thumbnails,
        check_scores=given.gate, track=given.mlflow_run,
        command=shlex.join(["flipadops", *sys.argv[1:]]),
        **{name: getattr(given, name) for name in same},
    )  # fmt: skip


def _end(quiet: bool, outcome: ScanOutcome, fail_on: opt.FailOnChoice) -> int:
    from flipad_ops.scanning.outcome.summary import exit_code

    code = exit_code(outcome, fail_on.value)
    if outcome.unrecorded:
        end(outcome.unrecorded, code)
    if outcome.run_id and not quiet:
        sys.stderr.write(f"MLflow run {outcome.run_id}\n")
    return code


def _report(given: SimpleNamespace, request: ScanRequest, outcome: ScanOutcome) -> None:
    from flipad_ops.scanning.outcome.next_steps import next_step, skips_said
    from flipad_ops.scanning.outcome.summary import tell
    from flipad_ops.scanning.outputs import parse_output

    outputs = [parse_output(text) for text in request.outputs]
    if given.verbose:
        for line in skips_said(outcome):
            sys.stderr.write(f"{line}\n")
    if given.quiet:
        for sentence in outcome.unwritten:
            sys.stderr.write(f"error: {sentence}\n")
        return
    tell(outcome, brief=("table", None) in outputs and is_terminal(sys.stdout))
    if outcome.interrupted and request.state is not None:
        sys.stderr.write("interrupted; the same command goes on from here\n")
    if step := next_step(outcome, outputs):
        sys.stderr.write(f"next: {step}\n")
