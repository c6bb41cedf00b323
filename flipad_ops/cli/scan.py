"""`flipadops scan`: stored images in, verdict and exit code out."""

from __future__ import annotations

import shlex
import sys
from functools import partial
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
from flipad_ops.cli.shared_options import AllowPickle, Device, Sign, TrackingUri
from flipad_ops.common.log import context, end

if TYPE_CHECKING:
    from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome


def scan(
    targets: opt.Targets,
    model: opt.Model = None,
    all_models: opt.AllModels = False,
    output: opt.Output = None,
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
    include: opt.Include = None,
    exclude: opt.Include = None,
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
    gate: opt.Gate = False,
    mlflow_run: opt.MlflowRun = False,
    sign: Sign = None,
    tracking_uri: TrackingUri = None,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Say which stored images a registered generator made.

    Exit codes: 0 nothing found, 2 usage, 3 findings (--fail-on), 4 incomplete, 5 nothing scanned,
    6 attributor missing or unusable, 7 nothing found, but an output or MLflow lacks it, 8 no
    registry answers, 130 or 143 interrupted (the ledger keeps what was done).
    """
    from flipad_ops.common.progress import counter
    from flipad_ops.scanning.plan.dry_run import write_preview
    from flipad_ops.storage import S3Access
    from flipad_ops.storage.selection import Selection, parse_size
    from flipad_ops.workflows import scan as work

    context(**({"model": model[0]} if model and len(model) == 1 else {}))
    chosen = (tuple(include or ()), tuple(exclude or ()), since, shard, sample, seed, limit, frames)
    access = (profile, role_arn, region, endpoint_url, no_sign_request, requester_pays)
    request = work.ScanRequest(
        targets=tuple(targets), models=tuple(model or ()), all_models=all_models,
        outputs=tuple(output or ["table"]), fdr=fdr, selection=Selection(*chosen),
        max_object_size=parse_size(max_object_size), max_errors=max_errors, group=group,
        access=S3Access(*access), device=device, batch_size=batch_size, workers=workers,
        engine=engine.value, state=state, resume=resume, ray_address=ray_address,
        ray_workers=ray_workers, baseline=baseline, ignore_file=ignore_file, yearly=yearly,
        pictures=not no_thumbnails, check_scores=gate, track=mlflow_run, sign=sign,
        tracking_uri=tracking_uri, allow_pickle=allow_pickle, size_rule=size_rule.value,
        command=shlex.join(["flipadops", *sys.argv[1:]]), max_skipped=max_skipped,
    )  # fmt: skip
    with counter("images", quiet=quiet) as progress:
        if dry_run:
            as_json = request.outputs[0] == "json"
            return write_preview(work.preview_scan(request, progress), as_json, sys.stdout)
        told = partial(_report, quiet, state is not None)
        outcome = work.scan(request, progress, signals=True, report=told)
    raise typer.Exit(_end(quiet, outcome, fail_on))


def _end(quiet: bool, outcome: ScanOutcome, fail_on: opt.FailOnChoice) -> int:
    from flipad_ops.scanning.outcome.summary import exit_code

    code = exit_code(outcome, fail_on.value)
    if outcome.unrecorded:
        end(outcome.unrecorded, code)
    if outcome.run_id and not quiet:
        sys.stderr.write(f"MLflow run {outcome.run_id}\n")
    return code


def _report(quiet: bool, ledger: bool, outcome: ScanOutcome) -> None:
    from flipad_ops.scanning.outcome.summary import tell

    if quiet:
        for sentence in outcome.unwritten:
            sys.stderr.write(f"error: {sentence}\n")
        return
    tell(outcome)
    if outcome.interrupted and ledger:
        sys.stderr.write("interrupted; the same command goes on from here\n")
