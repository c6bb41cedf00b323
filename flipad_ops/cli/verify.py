"""`flipadops verify`: recorded findings, checked again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.s3_options import EndpointUrl, NoSignRequest, Profile, Region, RoleArn
from flipad_ops.cli.write_columns import write_columns


def verify(
    saved: Annotated[
        Path, typer.Argument(help="What `flipadops scan -o jsonl=FILE` wrote.", metavar="RUN.jsonl")
    ],
    key: Annotated[
        list[str] | None, typer.Option(help="Only the finding of this key; repeatable.")
    ] = None,
    copies: Annotated[
        Path | None, typer.Option(help="Folder with copies, found by their content.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Folder of an attributor that is in no registry."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N findings.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Relative difference of scores that counts as none.")
    ] = 1e-4,
    public_key: Annotated[
        str | None,
        typer.Option(help="Check RUN.jsonl.minisig first: minisign's key or its file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    profile: Profile = "",
    role_arn: RoleArn = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    no_sign_request: NoSignRequest = False,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
) -> None:
    """Check recorded findings again: content, attributor, score and decision.

    Every leak and review of the file, or those of --key. The content is found by its hash: where
    it was, among the versions of a versioned bucket, or in --copies. The attributor must be the
    very files that made the scan.

    Exit codes: 0 all confirmed, 2 usage, 3 something differs or is not what was signed, 4 content
    cannot be had, 5 no such finding, 6 attributor missing or changed.
    """
    from itertools import islice

    from flipad_ops.attribution.scorer import in_registry
    from flipad_ops.common.errors import NothingToScan, UsageError
    from flipad_ops.common.exit_codes import FINDINGS, INCOMPLETE
    from flipad_ops.scanning.outcome.evidence import Evidence
    from flipad_ops.scanning.outcome.saved import load_outcome
    from flipad_ops.scanning.outcome.verifier import Verifier
    from flipad_ops.scanning.plan.samples_within import with_frames, with_tables
    from flipad_ops.storage import S3Access

    if public_key is not None:  # an empty one is an unset variable, and refused
        from flipad_ops.scanning.outcome import signing

        comment = signing.check_signature(saved, signing.public_key(public_key))
        sys.stderr.write(f"signed: {comment}\n")
    if copies is not None and not copies.is_dir():
        raise UsageError(f"--copies {copies} is not a folder.")
    access = S3Access(profile, role_arn, region, endpoint_url, no_sign_request)
    outcome = load_outcome(saved, access)
    wanted = set(key or ())
    findings = (f for f in outcome.findings if f.verdict != "clear" or f.row.key in wanted)
    chosen = list(islice((f for f in findings if not wanted or f.row.key in wanted), limit))
    if not chosen:
        raise NothingToScan(f"{saved} holds no such finding.")

    from flipad_ops.registry.scorers import load_scorers  # MLflow, after all cheap checks

    names = [name for name in outcome.cards if in_registry(name)]
    scorers = load_scorers([*(model or ()), *names], False, device, tracking_uri)
    outcome.request = with_frames(with_tables(outcome.request, scorers))
    evidence = Evidence(outcome.request.targets, outcome.request.limits.max_bytes, copies)
    verifier = Verifier(outcome, scorers, evidence, tolerance)
    checks = list(verifier.check(chosen))
    counts = dict.fromkeys(("confirmed", "differs", "unavailable"), 0)
    for check in checks:
        counts[check.state] += 1
    if as_json:
        document = {**counts, "checks": [check.to_dict() for check in checks]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        heading = ("STATE", "KEY", "ATTRIBUTOR", "RECORDED", "NOW")
        lines = [
            (c.state, repr(c.finding.row.key), c.finding.row.attributor,
             _number(c.finding.row.score), _number(c.score))
            for c in checks
        ]  # fmt: skip
        write_columns([heading, *lines])
    for check in checks:
        for reason in check.reasons:
            sys.stderr.write(f"{check.state}: {check.finding.row.key!r}: {reason}\n")
    sys.stderr.write(", ".join(f"{count} {state}" for state, count in counts.items()) + "\n")
    if counts["differs"]:
        raise typer.Exit(FINDINGS)
    if counts["unavailable"]:
        raise typer.Exit(INCOMPLETE)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
