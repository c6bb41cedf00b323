"""`flipadops report`: a finished scan in another format, without scanning again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flipad_ops.cli.sign_option import Sign, open_signer
from flipad_ops.scanning.outputs import FORMATS


def report(
    saved: Annotated[
        Path, typer.Argument(help="What `flipadops scan -o jsonl=FILE` wrote.", metavar="RUN.jsonl")
    ],
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output", "-o",
            help=f"{', '.join(FORMATS)} [=PATH]; repeatable.",
        ),
    ] = None,
    sign: Sign = None,
) -> None:  # fmt: skip
    """Convert a saved scan. Reads no image: the HTML has no pictures then.

    Exit codes: 0 written, 2 usage or no such file.
    """
    from flipad_ops.scanning.outcome.saved import load_outcome
    from flipad_ops.scanning.outputs import check_outputs, parse_output, write_outputs

    outputs = [parse_output(text) for text in output or ["table"]]
    check_outputs(outputs)
    signer = open_signer(sign)
    write_outputs(load_outcome(saved), outputs, signer)
