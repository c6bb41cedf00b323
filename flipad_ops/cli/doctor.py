"""`flipadops doctor`: can this version be attributed, and if not, what to do."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from flipad_ops.cli.shared_options import AllowPickle, AsJson, Device, MemoryLimit, TrackingUri
from flipad_ops.common.shown_text import printable


def doctor(
    uri: Annotated[
        str, typer.Argument(help="models:/NAME/VERSION, NAME@ALIAS or NAME.", metavar="MODEL")
    ],
    device: Device = "cpu",
    allow_pickle: AllowPickle = False,
    no_tags: Annotated[
        bool, typer.Option("--no-tags", help="Do not record the hashes on the version.")
    ] = False,
    tracking_uri: TrackingUri = None,
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds until a model that does not end is given up.")
    ] = 600.0,
    memory_limit: MemoryLimit = None,
    as_json: AsJson = False,
) -> None:
    """Say what a fit would find in a generator version and how to mend what is missing.

    Exit codes: 0 attributable, 2 not (or no such model), 4 not known within the time limit,
    8 no registry answers.
    """
    from flipad_ops.common import time_limit as limit
    from flipad_ops.common.child_process import limit_memory
    from flipad_ops.common.exit_codes import INCOMPLETE, USAGE
    from flipad_ops.common.progress import waiting
    from flipad_ops.common.quick_imports import quick_imports
    from flipad_ops.registry.store import need_store
    from flipad_ops.registry.uris import parse_model

    parse_model(uri)
    need_store(tracking_uri)
    limit_memory(memory_limit)
    with (
        limit.time_limit(time_limit, f"Examining {uri}", INCOMPLETE),
        waiting(f"examining {uri}"),
    ):
        with quick_imports():
            from flipad_ops.registry.diagnosis import diagnose

        found = diagnose(
            uri,
            device=device,
            allow_pickle=allow_pickle,
            tracking_uri=tracking_uri,
            write_tags=not no_tags,
        )
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=2) + "\n")
    else:
        verdict = "can be attributed" if found.attributable else "cannot be attributed"
        lines = [f"{found.model} {verdict}"]
        lines += [f"  {label:20} {value}" for label, value in found.facts.items()]
        if found.problem:
            lines.append(f"  {'problem':20} {found.problem}")
        if found.remedy:
            lines.append(f"  {'remedy':20} {found.remedy}")
        sys.stdout.write("\n".join(map(printable, lines)) + "\n")
    if not found.attributable:
        raise typer.Exit(USAGE)
