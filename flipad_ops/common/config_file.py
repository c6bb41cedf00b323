"""flipadops.toml: where it is found, and its tables as dicts."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import UsageError
from flipad_ops.common.near_names import did_you_mean

NAME = "flipadops.toml"
#: Who reads them: every scan, and the hooks.
TABLES = ("scan", "profile", "hooks", "schedule", "notify")


def find_config() -> Path | None:
    """`flipadops.toml` of the working folder, or of the nearest folder above that has one.

    The search ends with the first folder that holds `.git`: what lies above a repository is
    another's.
    """
    try:
        here = Path.cwd()
    except OSError:  # deleted under us
        return None
    for folder in (here, *here.parents):
        if os.path.isfile(folder / NAME):
            return folder / NAME
        if os.path.exists(folder / ".git"):
            return None
    return None


def read_toml(path: Path | None) -> dict[str, Any]:
    """The file as a dict; {} for None.

    Raises
    ------
    UsageError
        It cannot be read, is no TOML, or has a table that nobody reads.
    """
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is neither of its own
        raise UsageError(f"{path} is not TOML: {error}.") from error
    for name in found:
        if name not in TABLES:
            raise UsageError(f"{path} has an unknown table {name!r}{did_you_mean(name, TABLES)}")
    return found


def root_of(path: Path | None) -> str:
    """The folder to which paths in a configuration file are relative; "" without a file."""
    return "" if path is None else str(path.absolute().parent)
