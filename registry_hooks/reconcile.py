"""Find what the events missed: the registry as it is, against the work table as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flipad_ops.registry import tags
from flipad_ops.registry.inventory import list_versions
from registry_hooks.schema import DONE, FAILED, QUEUED, RUNNING, SKIPPED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from registry_hooks.fit_jobs import FitQueue, KnownFit
    from registry_hooks.hook_settings import HookSettings

_PROMPT = "mlflow.prompt.is_prompt"
#: Failures that another generator may cure; a project does not tell why it failed.
WANTS_NEGATIVES = ("NegativesTooFew", "ProjectFailed")
DELETED = "The version was deleted."
SUPERSEDED = "The configuration was changed."


@dataclass
class Reconciled:
    """What one pass found, by "model/version"."""

    versions: int = 0
    #: Without attributor and unknown to the table: missed, or new under this configuration.
    queued: list[str] = field(default_factory=list)
    #: With an attributor that the table did not know of.
    served: list[str] = field(default_factory=list)
    #: Done, but the attributor is no longer in the registry.
    vanished: list[str] = field(default_factory=list)
    #: Failed for want of foreign images, and there are new generators to sample now.
    revived: list[str] = field(default_factory=list)
    #: Gone from the registry.
    deleted: list[str] = field(default_factory=list)
    #: Waiting under a configuration that is no longer ours.
    superseded: list[str] = field(default_factory=list)

    def text(self) -> str:
        """One line."""
        found = ", ".join(
            f"{len(names)} {kind}" for kind, names in vars(self).items() if kind != "versions"
        )
        return f"{self.versions} generator versions: {found}"


@dataclass(frozen=True)
class _Registry:
    """The registry in the terms of the diff."""

    generators: dict[tuple[str, int], ModelVersion]
    #: (generator, version, configuration) -> attributor.
    fitted: dict[tuple[str, int, str], str]
    attributors: set[str]
    #: Attributor -> its "tpr" and "fpr".
    figures: dict[str, dict[str, float]]

    def attributor(self, key: tuple[str, int], config: str) -> str | None:
        """The attributor of a version under a configuration, own or shared with its class."""
        own = self.fitted.get((*key, config))
        if own is not None:
            return own
        stated = self.generators[key].tags
        shared = stated.get(tags.ATTRIBUTOR)
        reused = stated.get(tags.STATUS) == tags.REUSED
        return shared if reused and shared in self.attributors else None


def reconcile(client: MlflowClient, queue: FitQueue, settings: HookSettings) -> Reconciled:
    """One pass; safe at any time and beside workers and receivers.

    The table is read before the registry: what is registered or fitted in between then looks
    like nothing to do, or like work that turns out to be done already, never like a loss.

    Raises
    ------
    UsageError
        The registry cannot be listed; the table is left as it was.
    """
    config = settings.config_sha256()
    rows = {(row.model, row.version, row.config): row for row in queue.known()}
    registry = _survey(list_versions(client), settings)
    found = Reconciled(versions=len(registry.generators))
    missing, served = [], []
    for key in registry.generators:
        attributor = registry.attributor(key, config)
        row = rows.get((*key, config))
        if row is not None:
            _review(queue, row, attributor, registry, found)
        elif attributor is None:
            missing.append(key)
        else:
            served.append((key, attributor))
    for key, attributor in served:
        figures = registry.figures.get(attributor)
        queue.enqueue([key], config, state=DONE, attributor=attributor, figures=figures)
    queue.enqueue(missing, config)
    found.queued += [_name(*key) for key in missing]
    found.served += [_name(*key) for key, _ in served]
    for row in rows.values():
        _retire(queue, row, config, registry, found)
    return found


def _review(
    queue: FitQueue, row: KnownFit, attributor: str | None, registry: _Registry, found: Reconciled
) -> None:
    name = _name(row.model, row.version)
    if attributor is not None:
        # Queued and running work finds its attributor itself.
        known = row.state == DONE and row.attributor == attributor
        if row.state not in (QUEUED, RUNNING) and not known:
            figures = registry.figures.get(attributor)
            queue.move(row, DONE, attributor=attributor, reason=None, error=None, figures=figures)
            found.served.append(name)
    elif row.state == DONE:
        if queue.move(
            row, QUEUED, attributor=None, figures=None, reason=f"{row.attributor} vanished."
        ):
            found.vanished.append(name)
    elif row.state == SKIPPED:
        if queue.move(row, QUEUED, reason=None, error=None):
            found.queued.append(name)
    elif row.state == FAILED and row.error in WANTS_NEGATIVES:
        # What was registered during the last attempt may have come too late for it.
        since = row.started or row.updated
        newer = any(
            int(version.creation_timestamp) / 1000 > since
            for version in registry.generators.values()
        )
        if newer and queue.move(row, QUEUED, reason=row.reason):
            found.revived.append(name)


def _retire(
    queue: FitQueue, row: KnownFit, config: str, registry: _Registry, found: Reconciled
) -> None:
    if row.state in (SKIPPED, RUNNING):
        return  # a running fit finds out by itself
    if (row.model, row.version) not in registry.generators:
        if queue.move(row, SKIPPED, reason=DELETED):
            found.deleted.append(_name(row.model, row.version))
    elif row.config != config and row.state != DONE and queue.move(row, SKIPPED, reason=SUPERSEDED):
        found.superseded.append(_name(row.model, row.version))


def _survey(versions: Iterable[ModelVersion], settings: HookSettings) -> _Registry:
    registry = _Registry({}, {}, set(), {})
    for version in versions:
        if tags.is_attributor(version.tags):
            name = _name(version.name, version.version)
            registry.attributors.add(name)
            registry.figures[name] = _figures(version.tags)
            stated = [
                version.tags.get(t) for t in (tags.GENERATOR, tags.GENERATOR_VERSION, tags.CONFIG)
            ]
            model, number, config = stated
            if tags.held_back(version.tags):
                continue  # it serves nobody
            if model and number and config and number.isdigit():
                registry.fitted[model, int(number), config] = name
        elif settings.wants(version.name) and _PROMPT not in version.tags:
            registry.generators[version.name, int(version.version)] = version
    return registry


def _figures(stated: Mapping[str, str]) -> dict[str, float]:
    found = dict[str, float]()
    for name, tag in (("tpr", tags.TPR), ("fpr", tags.FPR)):
        with contextlib.suppress(KeyError, ValueError):
            found[name] = float(stated[tag])
    return found


def _name(model: str, version: int | str) -> str:
    return f"{model}/{version}"
