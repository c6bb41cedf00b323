"""Every generator version and its attributor, in a handful of requests however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flipad_ops.registry import tags
from flipad_ops.registry.store import all_pages, registry_errors, tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Versions per request.
PAGE = 1000


@dataclass(frozen=True)
class Entry:
    """One generator version.

    Parameters
    ----------
    status : str
        "fitted", "reused", "failed", "unattributable", "fitting", "weak" (fitted, and held back) or
        "missing".
    attributor : str
        "NAME-attributor/3", or empty.
    current : bool
        Whether that attributor has the alias `current`.
    equivalence_class : str
        Versions it cannot be told apart from, itself included; empty when alone.
    tpr, fpr : float or None
        Held-out rates; fpr is that of the worst foreign source.
    created : int
        Milliseconds since the epoch at which the version was registered.
    reason : str
        Why the last fit failed, or is weak.
    run : str
        MLflow run of the last fit.
    """

    name: str
    version: str
    status: str
    attributor: str = ""
    current: bool = False
    equivalence_class: str = ""
    tpr: float | None = None
    fpr: float | None = None
    created: int = 0
    reason: str = ""
    run: str = ""

    @property
    def uri(self) -> str:
        """`models:/NAME/VERSION`."""
        return f"models:/{self.name}/{self.version}"

    @property
    def missing(self) -> bool:
        """No attributor, and a fit may help."""
        return self.status in ("missing", tags.FAILED, tags.FITTING)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self)}


def inventory(name: str | None = None, tracking_uri: str | None = None) -> list[Entry]:
    """All generator versions, or those of one model, by name and version."""
    with tracking(tracking_uri) as client:
        versions = list_versions(client)
        current = {
            f"{model}/{aliases[tags.CURRENT]}"
            for model, aliases in aliases_by_model(client).items()
            if tags.CURRENT in aliases
        }
    attributors = {f"{v.name}/{v.version}": v for v in versions if tags.is_attributor(v.tags)}
    entries = [
        _entry(version, attributors, current)
        for version in versions
        if not tags.is_attributor(version.tags) and name in (None, version.name)
    ]
    return sorted(entries, key=lambda entry: (entry.name, int(entry.version)))


def missing_attributors(tracking_uri: str | None = None) -> list[str]:
    """`models:/NAME/VERSION` of every version that a fit may help."""
    return [entry.uri for entry in inventory(None, tracking_uri) if entry.missing]


def superseded(client: MlflowClient) -> list[ModelVersion]:
    """Attributor versions that nothing points at: no alias and no generator version's tag.

    The newest that is held back as weak stays where its generator has none: `--accept-weak`
    publishes it without another fit.
    """
    versions = list_versions(client)
    wanted = {v.tags[tags.ATTRIBUTOR] for v in versions if tags.ATTRIBUTOR in v.tags}
    wanted |= _held_back(versions)
    for model, aliases in aliases_by_model(client).items():
        wanted |= {f"{model}/{version}" for version in aliases.values()}
    old = [
        version
        for version in versions
        if tags.is_attributor(version.tags) and f"{version.name}/{version.version}" not in wanted
    ]
    return sorted(old, key=lambda version: (version.name, int(version.version)))


def _held_back(versions: Sequence[ModelVersion]) -> set[str]:
    waiting = {
        (version.name, str(version.version))
        for version in versions
        if tags.ATTRIBUTOR not in version.tags
    }
    newest: dict[tuple[str, str], ModelVersion] = {}
    for version in sorted(versions, key=lambda version: int(version.version)):
        of = version.tags.get(tags.GENERATOR, ""), version.tags.get(tags.GENERATOR_VERSION, "")
        if of in waiting and tags.held_back(version.tags):
            newest[of] = version
    return {f"{version.name}/{version.version}" for version in newest.values()}


def list_versions(client: MlflowClient) -> list[ModelVersion]:
    """Every registered version; MLflow leaves prompts out by itself."""
    with registry_errors():
        return all_pages(
            lambda token: client.search_model_versions(max_results=PAGE, page_token=token)
        )


def aliases_by_model(client: MlflowClient) -> dict[str, dict[str, str]]:
    """Aliases of every registered model."""
    with registry_errors():
        models = all_pages(
            lambda token: client.search_registered_models(max_results=PAGE, page_token=token)
        )
    return {model.name: {k: str(v) for k, v in model.aliases.items()} for model in models}


def _entry(version: ModelVersion, attributors: dict[str, ModelVersion], current: set[str]) -> Entry:
    stated = version.tags.get(tags.ATTRIBUTOR, "")
    attributor = attributors.get(stated)
    status = version.tags.get(tags.STATUS, "missing")
    if status in (tags.FITTED, tags.REUSED) and attributor is None:
        status = "missing"  # deleted by hand since
    found = attributor.tags if attributor is not None else {}
    return Entry(
        name=version.name,
        version=str(version.version),
        status=status,
        attributor=stated if attributor is not None else "",
        current=stated in current,
        equivalence_class=version.tags.get(tags.CLASS, ""),
        tpr=_number(found.get(tags.TPR)),
        fpr=_number(found.get(tags.FPR)),
        created=int(version.creation_timestamp or 0),
        reason=version.tags.get(tags.REASON, ""),
        run=version.tags.get(tags.RUN, ""),
    )


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
