"""What the commands under `flipadops hooks` share: options and settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from registry_hooks.hook_settings import HookSettings

#: May hold a password, so there is no flag for it.
TABLE = "FLIPADOPS_HOOKS_TABLE"
DEFAULT_CONFIG = Path("flipadops.toml")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with a [hooks] table (default: flipadops.toml)."),
]
Registry = Annotated[
    str | None,
    typer.Option("--registry", envvar="MLFLOW_TRACKING_URI", help="MLflow server or store."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def config_file(config: Path | None) -> Path | None:
    """The file to read: the one named, or the one of the working folder if it is there."""
    if config is None and DEFAULT_CONFIG.is_file():
        return DEFAULT_CONFIG
    return config


def hook_settings(config: Path | None, **overrides: object) -> HookSettings:
    """`[hooks]` of the file, with options and the environment over it."""
    from registry_hooks.hook_settings import load_settings

    table = os.environ.get(TABLE) or None
    return load_settings(config_file(config), table=table, **overrides)
