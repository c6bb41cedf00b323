"""Options of `flipadops verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Key = Annotated[list[str] | None, typer.Option(help="Only the finding of this key; repeatable.")]
Copies = Annotated[Path | None, typer.Option(help="Folder with copies, found by their content.")]
Model = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="Folder of an attributor that is in no registry."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N findings.")]
Tolerance = Annotated[
    float, typer.Option(min=0.0, help="Relative difference of scores that counts as none.")
]
Regenerate = Annotated[
    bool, typer.Option("--regenerate", help="Make each image again from its recorded latent, too.")
]
PublicKey = Annotated[
    str | None, typer.Option(help="Check RUN.jsonl.minisig first: minisign's key or its file.")
]
