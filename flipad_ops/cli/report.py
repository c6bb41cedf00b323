"""`flipadops report`: a finished scan in another format, without scanning again."""

from __future__ import annotations

from typing import Annotated

import typer

from flipad_ops.cli.s3_options import (
    EndpointUrl,
    NoSignRequest,
    Profile,
    Region,
    RequesterPays,
    RoleArn,
)
from flipad_ops.cli.scan_options import Output
from flipad_ops.cli.shared_options import AllowPickle, Color, Device, Saved, Sign, TrackingUri
from flipad_ops.cli.verify_options import Copies, Model
from flipad_ops.common.log import end
from flipad_ops.common.terminal import ColorChoice

Images = Annotated[
    bool, typer.Option("--images", help="Read the images of the first findings, for pictures.")
]
Illustrate = Annotated[
    bool,
    typer.Option(
        "--illustrate",
        help="--images, and beside them the nearest image that the model makes; for the eye alone.",
    ),
]


def report(
    saved: Saved,
    output: Output = None,
    images: Images = False,
    illustrate: Illustrate = False,
    copies: Copies = None,
    model: Model = None,
    sign: Sign = None,
    color: Color = ColorChoice.auto,
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
    """Convert a saved scan.

    Reads no image, and the HTML has no pictures, unless --images asks for them: then images are
    read where they were found or in --copies, and, where the registry has the very attributors of
    the scan, the report is the one that the scan would have written.

    Exit codes: 0 written, 2 usage or no such file, 7 not all could be written.
    """
    from flipad_ops.common.exit_codes import UNRECORDED
    from flipad_ops.common.progress import stages, waiting
    from flipad_ops.scanning.outcome.signing import Signer
    from flipad_ops.scanning.outputs import check_outputs, parse_output, write_outputs
    from flipad_ops.storage import S3Access
    from flipad_ops.workflows.report import ReportRequest, reported

    outputs = [parse_output(text) for text in output or ["table"]]
    check_outputs(outputs)
    signer = None if sign is None else Signer(sign).sign
    request = ReportRequest(
        saved=saved,
        pictures=images or illustrate,
        illustrate=illustrate,
        models=tuple(model or ()),
        copies=copies,
        access=S3Access(profile, role_arn, region, endpoint_url, no_sign_request, requester_pays),
        device=device,
        tracking_uri=tracking_uri,
        allow_pickle=allow_pickle,
    )
    if illustrate:
        with stages() as told:
            told("read images", 0, 0)
            outcome = reported(request, told)
    else:
        with waiting(f"reading {saved}"):
            outcome = reported(request)
    failed = write_outputs(outcome, outputs, signer)
    for sentence in failed:
        end(sentence, UNRECORDED)
    if failed:
        raise typer.Exit(UNRECORDED)
