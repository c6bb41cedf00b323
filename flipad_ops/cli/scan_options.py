"""Options of `flipadops scan`, and what they may be."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from flipad_ops.scanning.outputs import FORMATS

_SELECTION, _RECORD = "Selection, before any read", "Records"
#: Followed by the name of a key of flipadops.toml.
ENVIRONMENT = "FLIPADOPS_SCAN_"


class FailOnChoice(StrEnum):
    """What makes the exit code 3."""

    leak = "leak"
    accepted = "accepted"
    review = "review"
    never = "never"


class SizeChoice(StrEnum):
    """What to do with images of another size."""

    reject = "reject"
    centre_crop = "centre-crop"
    resize = "resize"
    search = "search"


class EngineChoice(StrEnum):
    """What runs the scan."""

    local = "local"
    ray = "ray"


def _env(key: str) -> dict[str, Any]:
    """The variable that stands for a key of flipadops.toml."""
    return {"envvar": f"{ENVIRONMENT}{key}", "show_envvar": False}


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="s3://BUCKET/PREFIX, folder, file, manifest (.parquet, .csv, .jsonl), or a table "
        "whose rows are the samples (.parquet, .csv).",
        metavar="TARGET...",
        **_env("TARGETS"),
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", help="NAME, NAME/VERSION or NAME@ALIAS; repeatable.", **_env("MODELS")
    ),
]
AllModels = Annotated[
    bool,
    typer.Option("--all-models", help="Every registered attributor.", **_env("ALL_MODELS")),
]
_OUTPUT_HELP = f"{', '.join(FORMATS)} [=PATH]; repeatable."
Output = Annotated[list[str] | None, typer.Option("--output", "-o", help=_OUTPUT_HELP)]
ScanOutput = Annotated[
    list[str] | None, typer.Option("--output", "-o", help=_OUTPUT_HELP, **_env("OUTPUTS"))
]
Fdr = Annotated[float, typer.Option(min=1e-6, max=0.5, help="False discovery rate.", **_env("FDR"))]
FailOn = Annotated[
    FailOnChoice,
    typer.Option(
        **_env("FAIL_ON"),
        help="What gives exit code 3: leaks and called groups; accepted, also images for review "
        "that both witnesses accept; review, every attributed image; or never.",
    ),
]
MaxErrors = Annotated[int, typer.Option(min=0, help="Unreadable objects tolerated.")]
MaxSkipped = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the images that may be skipped.")
]
Yearly = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Probability of any false call in a year of scans with one --state FILE; 5 times the "
        "FDR unless given, 0 decides every scan by itself.",
    ),
]
SizeRule = Annotated[SizeChoice, typer.Option(help="Images of another size; search finds copies.")]
Group = Annotated[
    str,
    typer.Option(
        help="Regular expression over keys; what its first group finds is tested together, "
        "for example the frames of a clip. Else folders are.",
        metavar="REGEX",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Images per batch.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=256, help="Decoding processes; one per core.")
]
Engine = Annotated[EngineChoice, typer.Option(help="This machine, or a Ray cluster.")]
RayAddress = Annotated[
    str, typer.Option(envvar="RAY_ADDRESS", help="Of the cluster; none starts one here.")
]
RayWorkers = Annotated[int | None, typer.Option(min=1, help="On the cluster; one per CPU or GPU.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List and count only; read no object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List what was skipped, by reason.")]

Include = Annotated[
    list[str] | None,
    typer.Option(help="Glob of keys.", rich_help_panel=_SELECTION, **_env("INCLUDE")),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(help="Glob of keys.", rich_help_panel=_SELECTION, **_env("EXCLUDE")),
]
MaxObjectSize = Annotated[
    str, typer.Option(help="Larger ones are skipped.", rich_help_panel=_SELECTION)
]
Since = Annotated[str, typer.Option(help="Modified since: 7d or ISO.", rich_help_panel=_SELECTION)]
Frames = Annotated[
    int | None,
    typer.Option(min=1, help="N of each animated GIF, WebP or PNG.", rich_help_panel=_SELECTION),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N.", rich_help_panel=_SELECTION)]
Sample = Annotated[int | None, typer.Option(min=1, help="N at random.", rich_help_panel=_SELECTION)]
Seed = Annotated[int, typer.Option(help="Of --sample.", rich_help_panel=_SELECTION)]
Shard = Annotated[str, typer.Option(help="i/N, one of N parts.", rich_help_panel=_SELECTION)]

State = Annotated[
    str | None,
    typer.Option(
        help="Ledger to go on from: FILE, or a Delta table s3://... or delta://FOLDER.",
        metavar="LEDGER",
        rich_help_panel=_RECORD,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="--state must exist.", rich_help_panel=_RECORD)
]
Baseline = Annotated[
    Path | None, typer.Option(help="RUN.jsonl whose findings are known.", rich_help_panel=_RECORD)
]
IgnoreFile = Annotated[
    Path | None,
    typer.Option(help="Else ./.flipadignore.yaml.", rich_help_panel=_RECORD, **_env("IGNORE_FILE")),
]
NoThumbnails = Annotated[
    bool, typer.Option("--no-thumbnails", help="No pictures.", rich_help_panel=_RECORD)
]
Illustrate = Annotated[
    bool,
    typer.Option(
        "--illustrate",
        help="Beside pictures, the nearest image that the model makes; for the eye alone.",
        rich_help_panel=_RECORD,
    ),
]
Gate = Annotated[
    bool, typer.Option("--gate", help="Check the score table.", rich_help_panel=_RECORD)
]
MlflowRun = Annotated[
    bool, typer.Option("--mlflow-run", help="Log to MLflow.", rich_help_panel=_RECORD)
]


def _defaults(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Defaults from flipadops.toml, once both the file and the profile are known."""
    given = {**ctx.params, str(param.name): value}
    if {"config", "scan_profile"} <= set(given):
        from flipad_ops.common.config_file import find_config

        path, profile = given["config"] or find_config(), given["scan_profile"]
        if path is not None or profile:
            from flipad_ops.cli.scan_config import scan_defaults

            ctx.obj = scan_defaults(path, profile)
            ctx.default_map = ctx.obj.parameters()
    return value


Config = Annotated[
    Path | None,
    typer.Option(
        envvar="FLIPADOPS_CONFIG",
        is_eager=True,
        callback=_defaults,
        help="TOML file with [scan] and [profile.NAME]; else flipadops.toml of this folder or one "
        "above.",
        metavar="FILE",
    ),
]
ScanProfile = Annotated[
    str,
    typer.Option(
        "--scan-profile",
        "-P",
        envvar="FLIPADOPS_PROFILE",
        is_eager=True,
        callback=_defaults,
        help="Take [profile.NAME] of the file, over its [scan].",
        metavar="NAME",
    ),
]


def one_choice(
    ctx: typer.Context, model: list[str] | None, all_models: bool
) -> tuple[list[str], bool]:
    """Models by name, or all: who says one of them on the command line, or in the environment,
    says nothing of the other, whatever the file says."""
    from_file = [
        getattr(ctx.get_parameter_source(name), "name", "") in ("DEFAULT_MAP", "DEFAULT")
        for name in ("model", "all_models")
    ]
    if model and from_file == [False, True]:
        all_models = False
    if all_models and from_file == [True, False]:
        model = []
    return list(model or ()), all_models
