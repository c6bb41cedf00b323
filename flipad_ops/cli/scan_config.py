"""`[scan]` and `[profile.NAME]` of flipadops.toml: defaults of `flipadops scan`, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from flipad_ops.common.config_file import NAME, read_toml, root_of
from flipad_ops.common.config_tables import STRICT, TextOrTexts, checked
from flipad_ops.common.errors import UsageError
from flipad_ops.common.near_names import did_you_mean

#: Keys of the file whose parameter of `scan` has another name.
PARAMETER = {"models": "model", "outputs": "output"}


@checked_dataclass(frozen=True, config=STRICT)
class ScanTable:
    """What `[scan]` and a profile may say; what is left out stays as it was.

    Parameters
    ----------
    targets, models, include, exclude, outputs : tuple of str
        As `flipadops scan` takes them; paths are relative to the file.
    all_models : bool
        Every registered attributor.
    fdr : float
        False discovery rate, from 1e-6 to 0.5.
    fail_on : {"leak", "accepted", "review", "never"}
    ignore_file : str
        Allowed findings.
    """

    targets: TextOrTexts | None = None
    models: TextOrTexts | None = None
    all_models: bool | None = None
    fdr: Annotated[float, Field(ge=1e-6, le=0.5)] | None = None
    fail_on: Literal["leak", "accepted", "review", "never"] | None = None
    include: TextOrTexts | None = None
    exclude: TextOrTexts | None = None
    outputs: TextOrTexts | None = None
    ignore_file: str | None = None


KEYS = tuple(each.name for each in fields_of(ScanTable))


@dataclass(frozen=True)
class ScanDefaults:
    """What a configuration file says of a scan.

    Parameters
    ----------
    path : Path or None
        The file.
    values : mapping
        By key of the file; paths are relative to the working folder.
    tables : mapping
        The table that each value is from, as it is written.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """The values by parameter of `scan`."""
        return {PARAMETER.get(key, key): value for key, value in self.values.items()}


def scan_defaults(path: Path | None, profile: str) -> ScanDefaults:
    """`[scan]` of a file, and over it `[profile.NAME]` where one is asked for.

    Raises
    ------
    UsageError
        The file or one of its tables is wrong, or there is no such profile.
    """
    document = read_toml(path)
    profiles = document.get("profile", {})
    if not isinstance(profiles, dict):
        raise UsageError(f"Write [profile.NAME] for each profile in {path}.")
    tables = {"[scan]": document.get("scan", {})}
    tables |= {f"[profile.{name}]": table for name, table in profiles.items()}
    said = {label: _table(label, table) for label, table in tables.items()}
    if profile and profile not in profiles:
        if path is None:
            raise UsageError(f"No profile {profile!r}: there is no {NAME} here or above.")
        raise UsageError(f"{path} has no profile {profile!r}{did_you_mean(profile, profiles)}")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for label in ("[scan]", *([f"[profile.{profile}]"] if profile else [])):
        for key in {"models", "all_models"} if {"models", "all_models"} & set(said[label]) else ():
            values.pop(key, None)  # they are one choice
        values |= said[label]
        sources |= dict.fromkeys(said[label], label)
    return ScanDefaults(path, _placed(values, root_of(path)), sources)


def _table(label: str, table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise UsageError(f"{label} of {NAME} is not a table.")
    found = asdict(checked(label, ScanTable, table))
    return {key: value for key, value in found.items() if value is not None}


def _placed(values: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Relative paths, which are the file's, as the working folder sees them."""

    def place(path: str) -> str:
        return path if "://" in path else os.path.relpath(Path(root, path))

    def output(text: str) -> str:
        name, equals, path = text.partition("=")
        return f"{name}={place(path)}" if equals and path else text

    def model(text: str) -> str:
        return place(text) if text.startswith((".", "/")) else text  # a folder, else a name

    change = {"targets": place, "outputs": output, "models": model}
    placed = dict(values)
    for key in change.keys() & values.keys():
        placed[key] = [change[key](text) for text in values[key]]
    if "ignore_file" in values:
        placed["ignore_file"] = place(values["ignore_file"])
    return placed
