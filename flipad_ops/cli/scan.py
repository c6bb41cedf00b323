"""`flipadops scan`: stored images in, verdict and exit code out."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.s3_options import EndpointUrl, NoSignRequest, Profile, Region, RoleArn
from flipad_ops.cli.sign_option import Sign, open_signer
from flipad_ops.common.log import LogFormat, LogFormatChoice, context, scrub


class FailOnChoice(StrEnum):
    """What makes the exit code 3."""

    leak = "leak"
    review = "review"
    never = "never"


class SizeChoice(StrEnum):
    """What to do with images of another size."""

    reject = "reject"
    centre_crop = "centre-crop"
    resize = "resize"


class EngineChoice(StrEnum):
    """What runs the scan."""

    local = "local"
    ray = "ray"


_SELECTION, _RECORD = "Selection, before any read", "Records"


def scan(
    targets: Annotated[
        list[str],
        typer.Argument(
            help="s3://BUCKET/PREFIX, folder, file, manifest (.parquet, .csv, .jsonl), or a table "
            "whose rows are the samples (.parquet, .csv).",
            metavar="TARGET...",
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="NAME, NAME/VERSION or NAME@ALIAS; repeatable."),
    ] = None,
    all_models: Annotated[
        bool, typer.Option("--all-models", help="Every registered attributor.")
    ] = False,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            help="table, jsonl, json, csv, junit, sarif, html, parquet, prometheus [=PATH]; "
            "repeatable.",
        ),
    ] = None,
    fdr: Annotated[float, typer.Option(min=1e-6, max=0.5, help="False discovery rate.")] = 0.01,
    fail_on: Annotated[FailOnChoice, typer.Option(help="What gives exit code 3.")] = (
        FailOnChoice.leak
    ),
    max_errors: Annotated[int, typer.Option(min=0, help="Unreadable objects tolerated.")] = 0,
    size_rule: Annotated[SizeChoice, typer.Option(help="Images of another size.")] = (
        SizeChoice.reject
    ),
    group: Annotated[
        str,
        typer.Option(
            help="Regular expression over keys; what its first group finds is tested together, "
            "for example the frames of a clip. Else folders are.",
            metavar="REGEX",
        ),
    ] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 64,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Decoding processes; one per core.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    engine: Annotated[
        EngineChoice, typer.Option(help="This machine, or a Ray cluster.")
    ] = EngineChoice.local,
    ray_address: Annotated[
        str,
        typer.Option(envvar="RAY_ADDRESS", help="Of the cluster; none starts one here."),
    ] = "",
    ray_workers: Annotated[
        int | None, typer.Option(min=1, help="On the cluster; one per CPU or GPU.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List and count only; read no object.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    include: Annotated[
        list[str] | None, typer.Option(help="Glob of keys.", rich_help_panel=_SELECTION)
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Glob of keys.", rich_help_panel=_SELECTION)
    ] = None,
    max_object_size: Annotated[
        str, typer.Option(help="Larger ones are skipped.", rich_help_panel=_SELECTION)
    ] = "50MB",
    since: Annotated[
        str, typer.Option(help="Modified since: 7d or ISO.", rich_help_panel=_SELECTION)
    ] = "",
    frames: Annotated[
        int | None,
        typer.Option(
            min=1, help="N of each animated GIF, WebP or PNG.", rich_help_panel=_SELECTION
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first N.", rich_help_panel=_SELECTION)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="N at random.", rich_help_panel=_SELECTION)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --sample.", rich_help_panel=_SELECTION)] = 0,
    shard: Annotated[
        str, typer.Option(help="i/N, one of N parts.", rich_help_panel=_SELECTION)
    ] = "",
    profile: Profile = "",
    role_arn: RoleArn = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    no_sign_request: NoSignRequest = False,
    state: Annotated[
        str | None,
        typer.Option(
            help="Ledger to go on from: FILE, or a Delta table s3://... or delta://FOLDER.",
            metavar="LEDGER",
            rich_help_panel=_RECORD,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="--state must exist.", rich_help_panel=_RECORD)
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(help="RUN.jsonl whose findings are known.", rich_help_panel=_RECORD),
    ] = None,
    ignore_file: Annotated[
        Path | None, typer.Option(help="Else ./.flipadignore.yaml.", rich_help_panel=_RECORD)
    ] = None,
    no_thumbnails: Annotated[
        bool, typer.Option("--no-thumbnails", help="No pictures.", rich_help_panel=_RECORD)
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Check the score table.", rich_help_panel=_RECORD)
    ] = False,
    mlflow_run: Annotated[
        bool, typer.Option("--mlflow-run", help="Log to MLflow.", rich_help_panel=_RECORD)
    ] = False,
    sign: Sign = None,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
    log_format: LogFormat = LogFormatChoice.text,
) -> None:
    """Say which stored images a registered generator made.

    Exit codes: 0 nothing found, 2 usage, 3 findings, 4 incomplete, 5 nothing scanned,
    6 attributor missing or unusable, 130 or 143 interrupted (the ledger keeps what was done).
    """
    from flipad_ops.common.errors import StateError, UsageError
    from flipad_ops.common.progress import counter
    from flipad_ops.samples.decode import DecodeLimits
    from flipad_ops.scanning.ledger.open_ledger import open_ledger
    from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit
    from flipad_ops.scanning.outcome.summary import exit_code, summary_line
    from flipad_ops.scanning.outcome.suppress import load_suppressions
    from flipad_ops.scanning.outputs import check_outputs, parse_output, write_outputs
    from flipad_ops.scanning.pipeline.run import ScanRequest, run_scan
    from flipad_ops.scanning.pipeline.stop import stop_signals
    from flipad_ops.scanning.plan.dry_run import preview, write_preview
    from flipad_ops.scanning.plan.samples_within import with_frames, with_tables
    from flipad_ops.storage import S3Access, open_target
    from flipad_ops.storage.selection import Selection, parse_size

    if not model and not all_models:
        raise UsageError("Name an attributor with --model NAME, or use --all-models.")
    if model and len(model) == 1:
        context(model=model[0])
    if resume and state is None:
        raise StateError("--resume needs the ledger to resume from: --state LEDGER.")
    outputs = [parse_output(text) for text in output or ["table"]]
    check_outputs(outputs)
    on_ray = engine is EngineChoice.ray
    if on_ray:
        from flipad_ops.scanning.ray.cluster import need_ray

        need_ray(ray_address)
    signer = open_signer(sign)
    access = S3Access(profile, role_arn, region, endpoint_url, no_sign_request)
    suppressions = load_suppressions(ignore_file, baseline)
    request = ScanRequest(
        targets=[open_target(text, access) for text in targets],
        fdr=fdr,
        batch_size=batch_size,
        size_rule=size_rule.value,
        limits=DecodeLimits(max_bytes=parse_size(max_object_size)),
        max_errors=max_errors,
        selection=Selection(
            tuple(include or ()), tuple(exclude or ()), since, shard, sample, seed, limit, frames
        ),
        workers=workers,
        suppress=suppressions,
        group=group,
    )
    from flipad_ops.common.tracing import span

    with ExitStack() as stack:
        stack.enter_context(span("scan", engine=engine.value, targets=len(targets)))
        ledger = None
        if state is not None and not dry_run:
            ledger = stack.enter_context(open_ledger(state, access, must_exist=resume))
        from flipad_ops.registry.scorers import load_scorers  # MLflow, after all cheap checks

        # On Ray the workers have the device; this process only decides.
        with span("scan load"):
            scorers = load_scorers(
                model or [], all_models, "cpu" if on_ray else device, tracking_uri
            )
        request = with_frames(with_tables(request, scorers))
        with counter("images", quiet=quiet) as progress, stop_signals() as stop:
            if dry_run:
                write_preview(
                    preview(request, scorers, progress), outputs[0][0] == "json", sys.stdout
                )
                return
            cluster = None
            if on_ray:
                from flipad_ops.registry.shipping import ship
                from flipad_ops.scanning.ray.ray_engine import RayEngine

                cluster = RayEngine(ship(scorers), device, ray_workers, ray_address)
            with span("scan read and score"):
                outcome = run_scan(
                    request, scorers, progress, ledger=ledger, stop=stop, engine=cluster
                )
        outcome.command = scrub(shlex.join(["flipadops", *sys.argv[1:]]))
        pictures = mlflow_run or any(name == "html" for name, _ in outputs)
        if pictures and not no_thumbnails and not outcome.interrupted:
            with span("scan pictures"):
                outcome.exhibits = collect_exhibits(outcome, scorers)
                outcome.reference = reference_exhibit(scorers)
        outcome.warnings += suppressions.warnings() if outcome.complete else []
        if gate:
            from flipad_ops.workflows.score_quality import check_scores

            outcome.broken += check_scores(outcome)
        with span("scan outputs"):
            write_outputs(outcome, outputs, signer)
        if not quiet:
            for warning in outcome.warnings:
                sys.stderr.write(f"warning: {warning}\n")
            for row in islice(outcome.failed, 10):
                sys.stderr.write(f"error: {row.key!r}: {row.reason}\n")
            for text in outcome.broken:
                sys.stderr.write(f"error: {text}\n")
            sys.stderr.write(summary_line(outcome))
            if outcome.interrupted and state is not None:
                sys.stderr.write("interrupted; the same command goes on from here\n")
        if mlflow_run:
            from flipad_ops.workflows.scan_tracking import log_scan

            run_id = log_scan(outcome, tracking_uri)
            if not quiet:
                sys.stderr.write(f"MLflow run {run_id}\n")
        raise typer.Exit(exit_code(outcome, fail_on.value))
