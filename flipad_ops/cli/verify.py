"""`flipadops verify`: recorded findings, checked again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from flipad_ops.cli import verify_options as opt
from flipad_ops.cli.s3_options import (
    EndpointUrl,
    NoSignRequest,
    Profile,
    Region,
    RequesterPays,
    RoleArn,
)
from flipad_ops.cli.shared_options import AllowPickle, AsJson, Device, Saved, TrackingUri
from flipad_ops.common.exit_codes import FINDINGS, INCOMPLETE
from flipad_ops.common.shown_text import printable
from flipad_ops.common.text_columns import write_columns

if TYPE_CHECKING:
    from flipad_ops.workflows.verify import VerifyResult


def verify(
    saved: Saved,
    key: opt.Key = None,
    copies: opt.Copies = None,
    model: opt.Model = None,
    limit: opt.Limit = None,
    tolerance: opt.Tolerance = 1e-4,
    regenerate: opt.Regenerate = False,
    public_key: opt.PublicKey = None,
    as_json: AsJson = False,
    device: Device = "cpu",
    allow_pickle: AllowPickle = False,
    profile: Profile = "",
    role_arn: RoleArn = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    no_sign_request: NoSignRequest = False,
    requester_pays: RequesterPays = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Check recorded findings again: content, attributor, score and decision.

    Every leak and review of the file, or those of --key. The content is found by its hash: where
    it was, among the versions of a versioned bucket, or in --copies. The attributor must be the
    very files that made the scan. With --regenerate the generator also makes each image again from
    the latent that the file records, and its distance must be the recorded one.

    Exit codes: 0 all confirmed, 2 usage, 3 something differs or is not what was signed, 4 content
    or generator cannot be had, 5 no such finding, 6 attributor missing or changed.
    """
    from flipad_ops.common.progress import waiting
    from flipad_ops.storage import S3Access
    from flipad_ops.workflows import verify as work

    request = work.VerifyRequest(
        saved=saved,
        keys=tuple(key or ()),
        models=tuple(model or ()),
        copies=copies,
        limit=limit,
        tolerance=tolerance,
        regenerate=regenerate,
        public_key=public_key,
        access=S3Access(profile, role_arn, region, endpoint_url, no_sign_request, requester_pays),
        device=device,
        tracking_uri=tracking_uri,
        allow_pickle=allow_pickle,
    )
    with waiting(f"checking {saved}"):
        result = work.verify(request)
    if as_json:
        sys.stdout.write(json.dumps(result.to_dict(), indent=2) + "\n")
    else:
        _write_table(result)
    _report(result)
    if result.counts["differs"]:
        raise typer.Exit(FINDINGS)
    if result.counts["unavailable"]:
        raise typer.Exit(INCOMPLETE)


def _write_table(result: VerifyResult) -> None:
    heading = ("STATE", "KEY", "ATTRIBUTOR", "RECORDED", "NOW")
    lines = [
        (c.state, repr(c.finding.row.key), c.finding.row.attributor,
         _number(c.finding.row.score), _number(c.score))
        for c in result.checks
    ]  # fmt: skip
    write_columns([heading, *lines], sys.stdout)


def _report(result: VerifyResult) -> None:
    if result.signed is not None:
        sys.stderr.write(f"signed: {result.signed}\n")
    for warning in result.warnings:
        sys.stderr.write(f"warning: {printable(warning)}\n")
    for check in result.checks:
        for reason in check.reasons:
            sys.stderr.write(f"{check.state}: {check.finding.row.key!r}: {printable(reason)}\n")
    sys.stderr.write(", ".join(f"{n} {state}" for state, n in result.counts.items()) + "\n")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
