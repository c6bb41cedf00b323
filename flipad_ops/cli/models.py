"""`flipadops models` and `flipadops prune`: what the registry holds, and what it need not hold."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer

from flipad_ops.cli.shared_options import AsJson, TrackingUri
from flipad_ops.common.shown_text import printable
from flipad_ops.common.text_columns import write_columns


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
                age(time.time() - entry.created / 1000),
                ", ".join(others),
            )
        )
    write_columns(rows, sys.stdout)
    sys.stderr.write(f"{len(entries)} versions; * is current; FPR of the worst foreign source\n")


def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it, only list.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Delete attributor versions that no alias and no generator version points at."""
    from flipad_ops.registry.inventory import superseded
    from flipad_ops.registry.store import registry_errors, tracking

    with tracking(tracking_uri) as client:
        old = superseded(client)
        for version in old:
            sys.stdout.write(f"{printable(version.name)}/{version.version}\n")
            if yes:
                with registry_errors():
                    client.delete_model_version(version.name, str(version.version))
    what = "deleted" if yes else "would be deleted; add --yes"
    sys.stderr.write(f"{len(old)} superseded attributor versions {what}\n")


def age(seconds: float) -> str:
    """A duration in its largest whole unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
