"""The `[hooks]` table of flipadops.toml, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.common.config_file import read_toml, root_of
from flipad_ops.common.config_tables import (
    STRICT,
    Above0,
    AtLeast0,
    AtLeast1,
    Texts,
    checked,
)
from flipad_ops.common.errors import UsageError
from flipad_ops.common.near_names import did_you_mean
from flipad_ops.workflows.fit_request import FitRequest

_FIT = frozenset(
    [
        "recipe",
        "seed",
        "fnr",
        "negatives",
        "negatives_models",
        "registry",
        "accept_weak",
        "data_docs",
        "device",
        "allow_pickle",
        "experiment",
        "settings",
    ]
)


@dataclass(frozen=True, config=STRICT)
class HookSettings:
    """What the hooks are told; `load_settings` reads it from a file.

    Parameters
    ----------
    registry : str or None
        MLflow server or store; None: MLflow's own choice.
    table : str
        SQLAlchemy URL of the work table.
    include, exclude : tuple of str
        Patterns of registered model names, as in a shell.
    reconcile_every, lease, time_limit, poll : float
        Seconds; a fit over its time limit is killed and counts as failed.
    memory_limit_gb : float
        Address space of a fit; 0 for no limit.
    attempts : int
        Tries before a dead letter.
    logs : str
        Folder of one log file per fit.
    project : str
        Folder or Git URI of the MLflow project; empty: the fit is started without one.
    backend, backend_config : str
        Of `mlflow.projects.run`.
    on_failed_fit : tuple of str
        Names of `[[notify]]` channels.
    status_page : bool
        Whether `/` shows the work, the scans and the failures.
    fit : mapping
        Fields of `FitRequest`; `settings` overrides single fit settings of the recipe.
    root : str
        Folder of the configuration file, in which fits run; no key of it.
    """

    registry: str | None = None
    table: str = "sqlite:///flipad-hooks.db"
    include: Texts = ("*",)
    exclude: Texts = ()
    reconcile_every: Above0 = 300.0
    lease: Above0 = 60.0
    time_limit: Above0 = 4 * 3600.0
    poll: Above0 = 2.0
    memory_limit_gb: AtLeast0 = 0.0
    attempts: AtLeast1 = 5
    retry_after: Above0 = 30.0
    logs: str = "flipad-hooks-logs"
    host: str = "127.0.0.1"
    port: int = 8765
    project: str = ""
    backend: str = "local"
    backend_config: str = ""
    on_failed_fit: Texts = ()
    status_page: bool = True
    fit: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.fit) - _FIT)
        if unknown:
            near = did_you_mean(unknown[0], _FIT)
            raise UsageError(f"[hooks.fit] has an unknown key {unknown[0]!r}{near}")
        if self.project and self.backend != "local" and self.needs_file():
            # They travel in a file, which another machine does not see.
            raise UsageError(
                "[hooks.fit] fnr and settings can be passed to a project of backend local only."
            )
        try:
            self.config_sha256()
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"[hooks.fit] cannot be used: {error}.") from error

    def needs_file(self) -> bool:
        """Whether a project must read the fit settings from a file: no parameter holds them."""
        return bool(self.fit.get("settings")) or self.fit.get("fnr") is not None

    def wants(self, model: str) -> bool:
        """Whether the hooks look after a registered model of this name."""
        return any(fnmatchcase(model, pattern) for pattern in self.include) and not any(
            fnmatchcase(model, pattern) for pattern in self.exclude
        )

    def request(self, uri: str) -> FitRequest:
        """The fit of one generator version.

        Raises
        ------
        UsageError
            A fit setting is wrong.
        """
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in self.fit.items()
        }
        changes = given.pop("settings", None)
        request = FitRequest(uri, tracking_uri=self.registry, **given)
        if not changes:
            return request
        overrides: dict[str, Any] = {"seed": request.seed}
        if request.fnr is not None:
            overrides |= {"fnr": request.fnr}
        merged = _merged(recipe(request.recipe, **overrides).to_dict(), changes)
        try:
            settings = FitSettings.from_dict(merged)
        except (TypeError, ValueError) as error:
            raise UsageError(f"[hooks.fit.settings] cannot be used: {error}.") from error
        return FitRequest(uri, tracking_uri=self.registry, **given, settings=settings)

    def config_sha256(self) -> str:
        """The configuration that the attributors of this registry should have."""
        return self.request("models:/any/1").config_sha256()


def load_settings(path: Path | None, **overrides: Any) -> HookSettings:
    """Read `[hooks]` of a TOML file (None: defaults); overrides that are None are left out.

    Its paths, defaults too, are relative to the file; those of overrides to the working folder.

    Raises
    ------
    UsageError
    """
    found = read_toml(path).get("hooks", {})
    if not isinstance(found, dict):
        raise UsageError(f"[hooks] of {path} is not a table.")
    if "root" in found:
        raise UsageError("[hooks] has an unknown key 'root'.")
    settings = checked("[hooks]", HookSettings, found)
    if root := root_of(path):
        logs, table = str(Path(root, settings.logs)), _below(root, settings.table)
        settings = replace(settings, root=root, logs=logs, table=table)
    given = {name: value for name, value in overrides.items() if value is not None}
    return checked("[hooks]", HookSettings, {**_fields(settings), **given})


def _fields(settings: HookSettings) -> dict[str, Any]:
    return {each.name: getattr(settings, each.name) for each in fields(settings)}


def _below(root: str, url: str) -> str:
    """The URL of a table; a relative file of SQLite's lies in `root`."""
    start = "sqlite:///"
    file = url.removeprefix(start)
    if file == url or file.startswith(("/", ":", "file:")) or not file:
        return url
    return f"{start}{Path(root, file)}"


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping):
            value = _merged(base[name], value)
        merged[name] = value
    return merged
