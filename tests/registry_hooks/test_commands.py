"""`flipadops hooks ...` in this process, on a table of the test's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from flipad_ops.cli.hooks import hooks
from flipad_ops.common.errors import UsageError
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.schema import DONE, FAILED

CONFIG = HookSettings().config_sha256()


@pytest.fixture
def table(work: FitQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitQueue:
    monkeypatch.setenv("FLIPADOPS_HOOKS_TABLE", f"sqlite:///{tmp_path}/work.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    work.enqueue([("gan", 1), ("gan", 2), ("gan", 3)], CONFIG)
    for state, fields in (
        (DONE, {"attributor": "gan-attributor/1"}),
        (FAILED, {"reason": "The gate said no.", "error": "GateFailed"}),
    ):
        claim = work.claim("a", CONFIG)
        assert claim is not None
        work.finish(claim, state, **fields)
    return work


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hooks, arguments)


def test_status_as_text(table: FitQueue) -> None:
    lines = run("status").stdout.splitlines()
    assert sorted(lines[:3]) == [
        "done     gan/1  gan-attributor/1",
        "failed   gan/2  The gate said no.",
        "queued   gan/3",
    ]
    assert lines[3] == "1 queued, 0 running, 1 done, 1 failed, 0 skipped"


def test_status_as_json_and_by_state(table: FitQueue) -> None:
    found = json.loads(run("status", "--json", "--state", "failed").stdout)
    assert [row["version"] for row in found["work"]] == [2]
    assert found["work"][0]["kind"] == "GateFailed"
    assert found["counts"]["queued"] == 1
    assert isinstance(run("status", "--state", "lost").exception, UsageError)


def test_retry_queues_only_what_failed(table: FitQueue) -> None:
    assert run("retry", "models:/gan/2").stdout == "models:/gan/2 is queued\n"
    assert table.counts()[FAILED] == 0
    for model, why in (
        ("models:/gan/1", "is done"),
        ("models:/gan/9", "not in the work table"),
        ("gan", "names no version"),
    ):
        error = run("retry", model).exception
        assert isinstance(error, UsageError)
        assert why in str(error)


def test_reconcile_prints_what_it_found(table: FitQueue, store: str) -> None:
    client = MlflowClient(store)
    client.create_registered_model("new")
    client.create_model_version("new", "file:///nowhere")
    found = json.loads(run("reconcile", "--registry", store, "--json").stdout)
    assert found["queued"] == ["new/1"]
    assert sorted(found["deleted"]) == ["gan/1", "gan/2", "gan/3"]
    assert run("reconcile", "--registry", store).stdout.startswith("1 generator versions: 0 queued")


def test_the_configuration_of_the_folder_is_used(table: FitQueue, tmp_path: Path) -> None:
    (tmp_path / "flipadops.toml").write_text("[hooks]\nbogus = 1\n")
    assert isinstance(run("status").exception, UsageError)


def test_up_refuses_to_start_without_a_secret(
    table: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLIPADOPS_WEBHOOK_SECRET", raising=False)
    error = run("up").exception
    assert isinstance(error, UsageError)
    assert "FLIPADOPS_WEBHOOK_SECRET" in str(error)
