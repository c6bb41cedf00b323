"""`flipadops models` and `flipadops prune`: what the registry holds, and what it need not hold."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from flipad_ops.cli.shared_options import AsJson, TrackingUri
from flipad_ops.common.progress import span, waiting
from flipad_ops.common.shown_text import printable
from flipad_ops.common.terminal import write_wrapped
from flipad_ops.common.text_columns import write_columns
from flipad_ops.registry import tags

if TYPE_CHECKING:
    from flipad_ops.registry.inventory import Entry


def models(
    name: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only versions without an attributor.")
    ] = False,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """List generator versions: status, attributor, class, held-out rates, age."""
    from flipad_ops.registry.inventory import inventory

    with waiting("asking the registry"):
        entries = inventory(name, tracking_uri)
    if missing:
        entries = [entry for entry in entries if entry.missing]
    if as_json:
        sys.stdout.write(json.dumps([entry.to_dict() for entry in entries], indent=2) + "\n")
        return
    rows = [("MODEL", "STATUS", "ATTRIBUTOR", "TPR", "FPR", "AGE", "SAME LAYER AS")]
    for entry in entries:
        own = f"{entry.name}/{entry.version}"
        others = [other for other in entry.equivalence_class.split(", ") if other not in ("", own)]
        rows.append(
            (
                own,
                entry.status,
                entry.attributor + (" *" if entry.current else ""),
                _rate(entry.tpr),
                _rate(entry.fpr),
                span(time.time() - entry.created / 1000),
                ", ".join(others),
            )
        )
    write_columns(rows, sys.stdout)
    for entry in entries:
        if why := _why(entry):
            write_wrapped(sys.stdout, printable(f"{entry.name}/{entry.version} {why}"))
    sys.stderr.write(f"{len(entries)} versions; * is current; FPR of the worst foreign source\n")
    if step := _next(entries):
        sys.stderr.write(f"next: {printable(step)}\n")


def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it, only list.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Delete attributor versions that no alias and no generator version points at."""
    from flipad_ops.registry.inventory import superseded
    from flipad_ops.registry.store import registry_errors, tracking

    with waiting("asking the registry"), tracking(tracking_uri) as client:
        old = superseded(client)
        for version in old:
            sys.stdout.write(f"{printable(version.name)}/{version.version}\n")
            if yes:
                with registry_errors():
                    client.delete_model_version(version.name, str(version.version))
    what = "deleted" if yes else "would be deleted; add --yes"
    sys.stderr.write(f"{len(old)} superseded attributor versions {what}\n")


def _why(entry: Entry) -> str:
    """What a status alone leaves open: why there is no attributor, or which fit is running."""
    if entry.status == tags.FITTING:
        return f"is being fitted: MLflow run {entry.run}" if entry.run else "is being fitted"
    if entry.status == tags.UNATTRIBUTABLE:
        return f"cannot be attributed: {entry.reason}"
    if entry.status == tags.WEAK_FIT:
        return f"is held back as weak: {entry.reason}"
    return f"failed: {entry.reason}" if entry.reason else ""


def _next(entries: list[Entry]) -> str:
    """What to do about them; the first thing that there is."""
    missing = [entry for entry in entries if entry.missing and entry.status != tags.FITTING]
    if missing:
        one = len(missing) == 1
        return f"flipadops fit {missing[0].uri if one else '--all-missing'} --negatives FOLDER"
    ready = [entry for entry in entries if entry.current]
    return f"flipadops scan TARGET --model {ready[0].name}" if ready else ""


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
