"""What a worker's child does, in this process; the whole child runs in test_e2e."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from flipad_ops.common.errors import LatentUnknown
from flipad_ops.registry import tags
from flipad_ops.workflows.fit_request import FitOutcome, FitRequest
from registry_hooks import fit_entry
from registry_hooks.hook_settings import HookSettings

#: An MLflow project with the entry point and parameters of ours, whose fit is a few lines.
PROJECT = """
name: stub
entry_points:
  fit:
    parameters:
      model_uri: {type: string}
      negatives: {type: string, default: ""}
      negatives_models: {type: string, default: ""}
      recipe: {type: string, default: default}
      settings: {type: string, default: ""}
      seed: {type: float, default: 0}
      device: {type: string, default: cpu}
      allow_pickle: {type: string, default: "false"}
    command: >-
      python fit.py {model_uri} {negatives} {negatives_models} {recipe} {seed} {device}
      {allow_pickle} {settings}
"""
SCRIPT = """
import json, os, sys
with open("given.json", "w") as file:
    settings = json.load(open(sys.argv.pop()))["own_train"]
    json.dump([*sys.argv[1:], settings, os.environ["MLFLOW_TRACKING_URI"]], file)
sys.exit(int(not sys.argv[1].endswith("/1")))
"""


@pytest.fixture
def project(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # What the child changes is put back.
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    client = MlflowClient(store)
    client.create_registered_model("gan")
    for _ in range(2):
        client.create_model_version("gan", "file:///nowhere")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(PROJECT)
    (folder / "fit.py").write_text(SCRIPT)
    return folder


def fit(project: Path, store: str, version: int, **left: str) -> dict[str, Any]:
    for key, value in left.items():
        MlflowClient(store).set_model_version_tag("gan", str(version), key, value)
    settings = HookSettings(
        registry=store,
        project=str(project),
        fit={
            "recipe": "fast",
            "seed": 7,
            "negatives_models": ["a", "b/2"],
            "settings": {"own_train": 90},
        },
    )
    order = {"settings": json.loads(json.dumps(asdict(settings))), "uri": f"models:/gan/{version}"}
    return fit_entry._fit(order)


def test_a_project_is_given_the_fit(project: Path, store: str) -> None:
    outcome = fit(project, store, 1, **{tags.ATTRIBUTOR: "gan-attributor/1"})
    assert outcome == {"attributor": "gan-attributor/1", "status": "fitted"}
    given = json.loads((project / "given.json").read_text())
    assert given == ["models:/gan/1", "", "a,b/2", "fast", "7", "cpu", "false", 90, store]


def test_a_project_tells_why_it_failed_through_the_registry(project: Path, store: str) -> None:
    left = {tags.STATUS: tags.UNATTRIBUTABLE, tags.REASON: "No split was found."}
    outcome = fit(project, store, 2, **left)
    assert outcome == {"error": "NotAttributable", "message": "No split was found."}


def test_a_weak_fit_of_a_project_is_told_as_such(
    project: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HookSettings, "config_sha256", lambda self: "the same")
    client = MlflowClient(store)
    client.create_registered_model("gan-attributor")
    client.create_model_version(
        "gan-attributor",
        "file:///nowhere",
        tags={
            tags.GENERATOR_VERSION: "2",
            tags.CONFIG: "the same",
            tags.WEAK: "It attributes 50%.",
        },
    )
    outcome = fit(project, store, 2)
    assert outcome == {
        "error": "WeakFit",
        "message": "gan-attributor/1 is weak and not published. It attributes 50%.",
    }


def test_a_weak_fit_leaves_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(request: FitRequest, progress: object) -> FitOutcome:
        return FitOutcome(
            "exists", "gan", "1", "gan-attributor", "2", weak="It attributes 50%.", champion=False
        )

    monkeypatch.setattr("flipad_ops.workflows.fit.fit", weak)
    order = {"settings": asdict(HookSettings()), "uri": "models:/gan/1"}
    assert fit_entry._fit(order)["error"] == "WeakFit"


def test_what_helps_and_what_was_measured_is_left_for_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(request: FitRequest, progress: object) -> FitOutcome:
        raise LatentUnknown("Its latent is not stated.", remedy="State it.")

    order = {"settings": asdict(HookSettings()), "uri": "models:/gan/1"}
    monkeypatch.setattr("flipad_ops.workflows.fit.fit", unknown)
    assert fit_entry._fit(order)["figures"] == {"remedy": "State it."}
    rates = {"photos": {"fpr": {"value": 0.01}}, "siblings": {"fpr": {"value": 0.03}}}
    measured = {"tpr": {"value": 0.99}, "strata": rates}
    assert fit_entry._figures(measured) == {"tpr": 0.99, "fpr": 0.03}
    assert fit_entry._figures({}) == {}


def test_errors_keep_their_class(project: Path, store: str) -> None:
    order = {"settings": asdict(HookSettings(registry=store)), "uri": "models:/gan/9"}
    outcome = fit_entry._fit(order)
    assert outcome["error"] == "GeneratorNotFound"
    order = {"settings": asdict(HookSettings(registry=store)), "uri": "models:/gan/1"}
    assert fit_entry._fit(order)["error"] == "GeneratorUnreadable"
