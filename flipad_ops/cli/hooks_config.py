"""What the commands under `flipadops hooks` share: options and settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flipad_ops.common.config_file import find_config
from flipad_ops.common.extras import need

if TYPE_CHECKING:
    from registry_hooks.hook_settings import HookSettings

#: May hold a password, so there is no flag for it.
TABLE = "FLIPADOPS_HOOKS_TABLE"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file with a [hooks] table; else flipadops.toml of this folder or one above.",
    ),
]
Registry = Annotated[
    str | None,
    typer.Option("--registry", envvar="MLFLOW_TRACKING_URI", help="MLflow server or store."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def config_file(config: Path | None) -> Path | None:
    """The file to read: the one named, or the one found from the working folder upwards."""
    return config or find_config()


def hook_settings(config: Path | None, **overrides: object) -> HookSettings:
    """`[hooks]` of the file, with options and the environment over it."""
    need("hooks", "flipadops hooks")
    from registry_hooks.hook_settings import load_settings

    table = os.environ.get(TABLE) or None
    return load_settings(config_file(config), table=table, **overrides)
