"""`flipadops config ...`: a first flipadops.toml, what holds and why, and a schema for editors."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from flipad_ops.cli import scan_options as opt
from flipad_ops.cli.help import PlainGroup
from flipad_ops.cli.shared_options import AsJson
from flipad_ops.common.config_file import NAME
from flipad_ops.common.errors import UsageError
from flipad_ops.common.text_columns import write_columns

config = typer.Typer(
    name="config",
    cls=PlainGroup,
    help="flipadops.toml: defaults of scans, and what the hooks are told.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TEMPLATE = """\
# Defaults of `flipadops scan` in this folder and below. A flag stands over the environment
# (FLIPADOPS_SCAN_FDR and so on), which stands over this file; `flipadops config show` says what
# holds, and why. Paths are relative to this file.
# For completion in editors: flipadops config schema > flipadops.schema.json, and as first line
# "#:schema ./flipadops.schema.json".

[scan]
# targets = ["images/", "s3://bucket/incoming"]
# models = ["faces"]             # or all_models = true
# fdr = 0.01                     # false discovery rate
# fail_on = "accepted"           # exit code 3: leak, accepted, review or never
# include = ["*.png", "*.jpg"]
# exclude = ["drafts/**"]
# outputs = ["table", "html=report.html"]
# ignore_file = ".flipadignore.yaml"

# What it says stands over [scan]: flipadops scan --scan-profile nightly
# [profile.nightly]
# targets = ["s3://bucket/published"]
# outputs = ["table", "sarif=scan.sarif"]
"""


@config.command()
def init() -> None:
    """Write a flipadops.toml with every key of a scan, commented out, into the working folder."""
    try:
        with Path(NAME).open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise UsageError(f"There is a {NAME} already; it stays as it is.") from error
    except OSError as error:
        raise UsageError(f"{NAME} cannot be written: {error.strerror}.") from error
    sys.stdout.write(f"wrote {NAME}; say in it what to scan, then: flipadops config show\n")


@config.command()
def show(
    ctx: typer.Context,
    config: opt.Config = None,
    scan_profile: opt.ScanProfile = "",
    as_json: AsJson = False,
) -> None:
    """Show what `flipadops scan` would take from here, and where each value is from."""
    from flipad_ops.cli.scan_config import KEYS, PARAMETER, ScanDefaults

    root: Any = ctx.find_root().command
    words = ["--scan-profile", scan_profile, *(["--config", str(config)] if config else [])]
    scan = root.commands["scan"].make_context("scan", words)
    models, all_models = opt.one_choice(scan, scan.params["model"], scan.params["all_models"])
    scan.params |= {"model": models, "all_models": all_models}
    defaults = scan.obj or ScanDefaults()
    found = []
    for key in KEYS:
        name = PARAMETER.get(key, key)
        value = scan.params[name] or (["table"] if key == "outputs" else scan.params[name])
        source = scan.get_parameter_source(name).name
        if source == "DEFAULT_MAP":
            source = f"{defaults.path} {defaults.tables[key]}"
        elif source == "ENVIRONMENT":
            source = f"environment {opt.ENVIRONMENT}{key.upper()}"
        else:
            source = "default"
        found.append({"key": key, "value": _plain(value), "source": source})
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    rows = [("KEY", "VALUE", "SOURCE")]
    rows += [(each["key"], json.dumps(each["value"]), each["source"]) for each in found]
    write_columns(rows, sys.stdout)
    if defaults.path is None:
        sys.stderr.write(f"no {NAME} here or above; flipadops config init writes one\n")


@config.command()
def schema() -> None:
    """Print the JSON schema of flipadops.toml, for editors."""
    from flipad_ops.cli.config_schema import config_schema

    sys.stdout.write(json.dumps(config_schema(), indent=2) + "\n")


def _plain(value: Any) -> Any:
    """As TOML would have it; what is not set is null."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [str(each) for each in value] or None
    return str(value) if isinstance(value, Path) else value
