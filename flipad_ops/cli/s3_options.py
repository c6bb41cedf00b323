"""Options of the commands that read S3; what is left out, boto3 finds in the environment."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Access to S3"

Profile = Annotated[str, typer.Option(help="AWS profile.", rich_help_panel=_PANEL)]
RoleArn = Annotated[str, typer.Option(help="Role to assume.", rich_help_panel=_PANEL)]
Region = Annotated[str, typer.Option(help="AWS region.", rich_help_panel=_PANEL)]
EndpointUrl = Annotated[str, typer.Option(help="S3-compatible server.", rich_help_panel=_PANEL)]
NoSignRequest = Annotated[
    bool, typer.Option("--no-sign-request", help="Anonymous access.", rich_help_panel=_PANEL)
]
RequesterPays = Annotated[
    bool,
    typer.Option(
        "--requester-pays",
        help="Pay for reading a bucket whose owner does not.",
        rich_help_panel=_PANEL,
    ),
]
