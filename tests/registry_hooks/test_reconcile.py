"""A real SQLite registry of bare versions: the reconciler reads names and tags only."""

from __future__ import annotations

import time
from typing import Any

import pytest
from mlflow import MlflowClient

from flipad_ops.common.errors import RegistryError
from flipad_ops.registry import tags
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.reconcile import DELETED, SUPERSEDED, reconcile
from registry_hooks.schema import DONE, FAILED, QUEUED, SKIPPED, Fit

SETTINGS = HookSettings(exclude=("scratch*",))
CONFIG = SETTINGS.config_sha256()


class Registry:
    """Counts the requests that a pass makes."""

    def __init__(self, uri: str) -> None:
        self.client = MlflowClient(uri)
        self.requests = 0

    def add(self, name: str, **version_tags: str) -> int:
        try:
            self.client.get_registered_model(name)
        except Exception:
            self.client.create_registered_model(name)
        version = self.client.create_model_version(name, "file:///nowhere", tags=version_tags)
        return int(version.version)

    def add_attributor(
        self, name: str, version: int, config: str = CONFIG, **version_tags: str
    ) -> str:
        told = {tags.GENERATOR: name, tags.GENERATOR_VERSION: str(version), tags.CONFIG: config}
        number = self.add(f"{name}-attributor", **told, **version_tags)
        return f"{name}-attributor/{number}"

    def search_model_versions(self, *arguments: Any, **named: Any) -> Any:
        self.requests += 1
        return self.client.search_model_versions(*arguments, **named)


@pytest.fixture
def registry(store: str) -> Registry:
    return Registry(store)


def states(work: FitQueue) -> dict[str, str]:
    return {f"{row.model}/{row.version}": row.state for row in work.rows()}


def row_of(work: FitQueue, model: str) -> Fit:
    return next(row for row in work.rows() if row.model == model)


def test_one_request_finds_all_that_is_missing(registry: Registry, work: FitQueue) -> None:
    for _ in range(3):
        registry.add("gan")
    registry.add("scratch-1")
    registry.client.register_prompt("prompt", "Say {{this}}")
    attributor = registry.add_attributor("gan", 2, **{tags.TPR: "0.95", tags.FPR: "high"})
    found = reconcile(registry, work, SETTINGS)  # type: ignore[arg-type]
    assert registry.requests == 1
    assert sorted(found.queued) == ["gan/1", "gan/3"]
    assert found.served == ["gan/2"]
    assert states(work) == {"gan/1": QUEUED, "gan/2": DONE, "gan/3": QUEUED}
    (done,) = work.rows(DONE)
    assert (done.attributor, done.figures) == (attributor, {"tpr": 0.95})
    again = reconcile(registry, work, SETTINGS)  # type: ignore[arg-type]
    assert "0 queued, 0 served, 0 vanished" in again.text()


def test_a_changed_configuration_queues_every_version_again(
    registry: Registry, work: FitQueue
) -> None:
    registry.add("gan")
    registry.add("gan")
    registry.add_attributor("gan", 1)
    reconcile(registry.client, work, SETTINGS)
    changed = HookSettings(fit={"recipe": "fast"})
    found = reconcile(registry.client, work, changed)
    assert sorted(found.queued) == ["gan/1", "gan/2"]
    assert found.superseded == ["gan/2"]  # gan/1 was done and stays on record
    old = {row.version: row for row in work.rows() if row.config == CONFIG}
    assert (old[1].state, old[2].state, old[2].reason) == (DONE, SKIPPED, SUPERSEDED)


def test_a_deleted_version_is_skipped_and_a_vanished_attributor_fitted_again(
    registry: Registry, work: FitQueue
) -> None:
    registry.add("gan")
    registry.add("gone")
    registry.add_attributor("gan", 1)
    reconcile(registry.client, work, SETTINGS)
    registry.client.delete_model_version("gone", "1")
    registry.client.delete_registered_model("gan-attributor")
    found = reconcile(registry.client, work, SETTINGS)
    assert (found.vanished, found.deleted) == (["gan/1"], ["gone/1"])
    assert states(work) == {"gan/1": QUEUED, "gone/1": SKIPPED}
    assert row_of(work, "gone").reason == DELETED


def test_a_wrong_answer_of_the_registry_heals(registry: Registry, work: FitQueue) -> None:
    registry.add("gan")
    reconcile(registry.client, work, SETTINGS)

    class Empty:
        def search_model_versions(self, **_: Any) -> Any:
            from mlflow.store.entities.paged_list import PagedList

            return PagedList([], None)

    reconcile(Empty(), work, SETTINGS)  # type: ignore[arg-type]
    assert states(work) == {"gan/1": SKIPPED}
    reconcile(registry.client, work, SETTINGS)
    assert states(work) == {"gan/1": QUEUED}


def test_a_version_that_shares_an_attributor_is_served(registry: Registry, work: FitQueue) -> None:
    registry.add("gan")
    attributor = registry.add_attributor("gan", 1)
    registry.add("copy", **{tags.STATUS: tags.REUSED, tags.ATTRIBUTOR: attributor})
    registry.add("lost", **{tags.STATUS: tags.REUSED, tags.ATTRIBUTOR: "none-attributor/1"})
    reconcile(registry.client, work, SETTINGS)
    assert states(work) == {"gan/1": DONE, "copy/1": DONE, "lost/1": QUEUED}


def test_too_few_negatives_are_tried_again_when_a_generator_comes(
    registry: Registry, work: FitQueue
) -> None:
    registry.add("gan")
    registry.add("flat")
    reconcile(registry.client, work, SETTINGS)
    for _ in range(2):
        claim = work.claim("a", CONFIG)
        assert claim is not None
        kind = "NegativesTooFew" if claim.model == "gan" else "NotAttributable"
        work.finish(claim, FAILED, reason="no", error=kind)
    assert reconcile(registry.client, work, SETTINGS).revived == []
    time.sleep(0.01)
    registry.add("second")
    assert reconcile(registry.client, work, SETTINGS).revived == ["gan/1"]
    assert states(work) == {"gan/1": QUEUED, "flat/1": FAILED, "second/1": QUEUED}


def test_a_fit_by_hand_settles_a_failed_row(registry: Registry, work: FitQueue) -> None:
    registry.add("gan")
    reconcile(registry.client, work, SETTINGS)
    claim = work.claim("a", CONFIG)
    assert claim is not None
    work.finish(claim, FAILED, reason="no")
    attributor = registry.add_attributor("gan", 1)
    assert reconcile(registry.client, work, SETTINGS).served == ["gan/1"]
    row = row_of(work, "gan")
    assert (row.state, row.attributor, row.reason) == (DONE, attributor, None)


def test_a_weak_fit_stays_failed_until_it_is_accepted(registry: Registry, work: FitQueue) -> None:
    registry.add("gan")
    reconcile(registry.client, work, SETTINGS)
    claim = work.claim("a", CONFIG)
    assert claim is not None
    attributor = registry.add_attributor("gan", 1, **{tags.WEAK: "It attributes 50% of 'photos'."})
    work.finish(claim, FAILED, reason="weak", error="WeakFit")
    registry.add("second")  # not what it waits for
    found = reconcile(registry.client, work, SETTINGS)
    assert (found.served, found.revived) == ([], [])
    assert row_of(work, "gan").state == FAILED
    name, number = attributor.split("/")
    registry.client.set_model_version_tag(name, number, tags.ACCEPTED, "for a test")
    assert reconcile(registry.client, work, SETTINGS).served == ["gan/1"]
    row = row_of(work, "gan")
    assert (row.state, row.attributor, row.reason) == (DONE, attributor, None)


def test_many_versions_take_few_requests(registry: Registry, work: FitQueue) -> None:
    class Paged(Registry):
        def search_model_versions(self, *arguments: Any, **named: Any) -> Any:
            return super().search_model_versions(*arguments, **{**named, "max_results": 4})

    for _ in range(10):
        registry.add("gan")
    registry.__class__ = Paged
    assert len(reconcile(registry, work, SETTINGS).queued) == 10  # type: ignore[arg-type]
    assert registry.requests == 3


def test_an_unreachable_registry_leaves_the_table_alone(
    work: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    work.enqueue([("gan", 1)], CONFIG)
    with pytest.raises(RegistryError, match="MLflow does not answer"):
        reconcile(MlflowClient("http://127.0.0.1:9"), work, SETTINGS)
    assert states(work) == {"gan/1": QUEUED}
