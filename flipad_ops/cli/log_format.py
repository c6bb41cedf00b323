"""The option of commands that others read the logs of."""

from __future__ import annotations

from typing import Annotated

import typer

from flipad_ops.common.log import FORMAT, LogFormatChoice, set_up

__all__ = ["LogFormat", "LogFormatChoice"]

LogFormat = Annotated[
    LogFormatChoice,
    typer.Option(
        "--log-format",
        envvar=FORMAT,
        is_eager=True,
        callback=set_up,
        help="Lines on stderr: text, or a JSON object each.",
    ),
]
