"""The `[hooks]` table of flipadops.toml, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.common.errors import UsageError
from flipad_ops.registry import tags
from flipad_ops.workflows.fit_request import FitRequest
from registry_hooks.tables_file import read_toml

_FIT = (
    "recipe",
    "seed",
    "fnr",
    "negatives",
    "negatives_models",
    "device",
    "allow_pickle",
    "experiment",
    "settings",
)


@dataclass(frozen=True)
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
    """

    registry: str | None = None
    table: str = "sqlite:///flipad-hooks.db"
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    reconcile_every: float = 300.0
    lease: float = 60.0
    time_limit: float = 4 * 3600.0
    poll: float = 2.0
    memory_limit_gb: float = 0.0
    attempts: int = 5
    retry_after: float = 30.0
    logs: str = "flipad-hooks-logs"
    host: str = "127.0.0.1"
    port: int = 8765
    project: str = ""
    backend: str = "local"
    backend_config: str = ""
    on_failed_fit: tuple[str, ...] = ()
    status_page: bool = True
    fit: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("reconcile_every", "lease", "time_limit", "poll", "retry_after"):
            if not getattr(self, name) > 0:
                raise UsageError(f"[hooks] {name} must be above 0, not {getattr(self, name)}.")
        if self.attempts < 1 or self.memory_limit_gb < 0:
            raise UsageError("[hooks] attempts must be at least 1, memory_limit_gb at least 0.")
        unknown = sorted(set(self.fit) - set(_FIT))
        if unknown:
            raise UsageError(f"[hooks.fit] has an unknown key {unknown[0]!r}.")
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
        return (
            not tags.is_attributor(model)
            and any(fnmatchcase(model, pattern) for pattern in self.include)
            and not any(fnmatchcase(model, pattern) for pattern in self.exclude)
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

    Raises
    ------
    UsageError
    """
    found = read_toml(path).get("hooks", {})
    if not isinstance(found, dict):
        raise UsageError(f"[hooks] of {path} is not a table.")
    found |= {name: value for name, value in overrides.items() if value is not None}
    known = {each.name: each.default for each in fields(HookSettings)}
    for name, value in found.items():
        if name not in known:
            raise UsageError(f"[hooks] has an unknown key {name!r}.")
        found[name] = _checked(name, value, known[name])
    return HookSettings(**found)


def _checked(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise UsageError(f"[hooks] {name} must be a list of texts.")
        return tuple(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise UsageError(f"[hooks] {name} is true or false.")
        return value
    wanted: tuple[type, ...] = (str,)
    if isinstance(default, int):
        wanted = (int,)
    elif isinstance(default, float):
        wanted = (int, float)
    elif name == "fit":
        wanted = (dict,)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise UsageError(f"[hooks] {name} cannot be {value!r}.")
    return value


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping):
            value = _merged(base[name], value)
        merged[name] = value
    return merged
