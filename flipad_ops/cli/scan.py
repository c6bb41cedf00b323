"""`flipadops scan`: stored images in, verdict and exit code out."""

from __future__ import annotations

import sys
from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer


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


def scan(
    targets: Annotated[list[str], typer.Argument(help="Files or folders.", metavar="TARGET...")],
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
            "--output", "-o", help="table, jsonl, json, csv or html, [=PATH]; repeatable."
        ),
    ] = None,
    fdr: Annotated[float, typer.Option(min=1e-6, max=0.5, help="False discovery rate.")] = 0.01,
    fail_on: Annotated[FailOnChoice, typer.Option(help="What gives exit code 3.")] = (
        FailOnChoice.leak
    ),
    size_rule: Annotated[SizeChoice, typer.Option(help="Images of another size.")] = (
        SizeChoice.reject
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most N files.")] = None,
    max_errors: Annotated[int, typer.Option(min=0, help="Unreadable files tolerated.")] = 0,
    max_object_size: Annotated[str, typer.Option(help="Larger files are skipped.")] = "50MB",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Say which stored images a registered generator made.

    Exit codes: 0 nothing found, 2 usage, 3 findings, 4 incomplete, 5 nothing scanned,
    6 attributor missing or unusable, 130 interrupted.
    """
    from flipad_ops.cli.progress import counter
    from flipad_ops.errors import UsageError
    from flipad_ops.images.decode import DecodeLimits
    from flipad_ops.scanning.exhibits import collect_exhibits, reference_exhibit
    from flipad_ops.scanning.outputs import check_outputs, parse_output, write_outputs
    from flipad_ops.scanning.run import ScanRequest, run_scan
    from flipad_ops.scanning.selection import Selection
    from flipad_ops.scanning.summary import exit_code, summarise
    from flipad_ops.scanning.targets import open_target

    if not model and not all_models:
        raise UsageError("Name an attributor with --model NAME, or use --all-models.")
    outputs = [parse_output(text) for text in output or ["table"]]
    check_outputs(outputs)
    request = ScanRequest(
        targets=[open_target(text) for text in targets],
        fdr=fdr,
        batch_size=batch_size,
        size_rule=size_rule.value,
        limits=DecodeLimits(max_bytes=parse_size(max_object_size)),
        max_errors=max_errors,
        selection=Selection(limit=limit),
    )
    from flipad_ops.registry.scorers import load_scorers

    scorers = load_scorers(model or [], all_models, device, tracking_uri)
    with counter("images", quiet=quiet) as progress:
        outcome = run_scan(request, scorers, progress)
    if any(name == "html" for name, _ in outputs):
        outcome.exhibits = collect_exhibits(outcome, scorers)
        outcome.reference = reference_exhibit(scorers)
    write_outputs(outcome, outputs)
    summary = summarise(outcome)
    if not quiet:
        for warning in outcome.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        for row in islice(outcome.failed, 10):
            sys.stderr.write(f"error: {row.key!r}: {row.reason}\n")
        sys.stderr.write(
            f"{summary['scored']} scored, {summary['leak']} leaks, {summary['review']} for review, "
            f"{summary['skipped']} skipped, {summary['failed']} failed in "
            f"{summary['seconds']:.1f} s; complete: {str(summary['complete']).lower()}\n"
        )
    raise typer.Exit(exit_code(outcome, fail_on.value))


def parse_size(text: str) -> int:
    """`50MB`, `200k`, `1.5G` or plain bytes to bytes.

    Raises
    ------
    UsageError
    """
    from flipad_ops.errors import UsageError

    units = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
    cleaned = text.strip().lower().removesuffix("b")
    unit = cleaned[-1:] if cleaned[-1:] in {"k", "m", "g"} else ""
    try:
        size = int(float(cleaned.removesuffix(unit)) * units[unit])
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a size such as 50MB.") from error
    if size < 1:
        raise UsageError(f"{text!r} is not a size such as 50MB.")
    return size
