"""The command tree. Commands import torch, MLflow and boto3 in their bodies, so that `--help`
stays fast; a test watches what it imports."""

from __future__ import annotations

from typing import Annotated

import typer

from flipad_ops.cli.config import config
from flipad_ops.cli.demo import demo
from flipad_ops.cli.doctor import doctor
from flipad_ops.cli.fit import fit
from flipad_ops.cli.help import PlainCommand, PlainGroup
from flipad_ops.cli.hooks import hooks
from flipad_ops.cli.models import models, prune
from flipad_ops.cli.register import register
from flipad_ops.cli.report import report
from flipad_ops.cli.sample import sample
from flipad_ops.cli.scan import scan
from flipad_ops.cli.verify import verify

app = typer.Typer(
    name="flipadops",
    cls=PlainGroup,
    rich_markup_mode=None,
    help="Was this image made by our generative model? Attributors for the MLflow Model Registry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        from flipad_ops import __version__

        typer.echo(f"flipadops {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Was this image made by our generative model?"""


app.command(cls=PlainCommand)(demo)
app.command(cls=PlainCommand)(register)
app.command(cls=PlainCommand)(doctor)
app.command(cls=PlainCommand)(fit)
app.command(cls=PlainCommand)(sample)
app.command(cls=PlainCommand)(scan)
app.command(cls=PlainCommand)(report)
app.command(cls=PlainCommand)(verify)
app.command(cls=PlainCommand)(models)
app.command(cls=PlainCommand)(prune)
app.add_typer(config, name="config")
app.add_typer(hooks, name="hooks")
