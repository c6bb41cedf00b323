"""A registry as teams have it, behind a real MLflow server: many models, some of them odd."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import typer
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.fit import fit
from flipad_ops.cli.models import models, prune
from flipad_ops.errors import PickleRefused
from flipad_ops.registry import tags
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import register_generator
from flipad_ops.registry.inventory import inventory
from flipad_ops.registry.scorers import load_scorers
from pipelines.fit import FitRequest, run_fit
from tests.e2e.servers import free_port, server
from tests.registry.tiny import small_settings, tiny_generator

pytestmark = pytest.mark.e2e

SMALL = small_settings()
app = typer.Typer()
for command in (fit, models, prune):
    app.command()(command)


def fill(url: str) -> None:
    """Two generators of three versions, one decoder in both, and what does not fit."""
    for seed in (1, 2, 3):
        register_generator("faces", *tiny_generator(seed), tracking_uri=url)
    for seed in (4, 5, 1):
        register_generator("cars", *tiny_generator(seed), tracking_uri=url)
    mlflow.set_tracking_uri(url)
    module, metadata = tiny_generator(6, activation="softmax")
    example = np.zeros((2, 8, 1, 1), np.float32)
    fields = {"name": "generator", "pip_requirements": ["torch"], "metadata": {"flipad": metadata}}
    mlflow.pytorch.log_model(module, registered_model_name="odd", input_example=example, **fields)
    module, _ = tiny_generator(7)
    mlflow.pytorch.log_model(
        module, registered_model_name="old", serialization_format="pickle", **fields
    )
    mlflow.set_tracking_uri(None)
    MlflowClient(url).register_prompt("greeting", "hello")


def test_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1",
    ]  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(SMALL.to_dict()))
    with server(command, f"{url}/health", tmp_path):
        fill(url)
        run = CliRunner().invoke(
            app, ["fit", "--all-missing", "--settings", "settings.json", "--tracking-uri", url]
        )
        assert run.exit_code == 4, run.output  # odd and old cannot be fitted
        found = {f"{e.name}/{e.version}": e for e in inventory(tracking_uri=url)}
        assert {name: entry.status for name, entry in found.items()} == {
            "cars/1": "fitted",
            "cars/2": "fitted",
            "cars/3": "fitted",
            "faces/1": "reused",
            "faces/2": "fitted",
            "faces/3": "fitted",
            "odd/1": "unattributable",
            "old/1": "failed",
        }
        assert found["faces/1"].attributor == found["cars/3"].attributor == "cars-attributor/3"
        assert "pickled" in found["old/1"].reason
        again = CliRunner().invoke(
            app, ["fit", "faces/2", "--settings", "settings.json", "--tracking-uri", url]
        )
        assert "is the attributor of models:/faces/2 already" in again.output
        (scorer,) = load_scorers(["faces/1"], tracking_uri=url)
        assert set(scorer.card.equivalence_class) == {"faces/1", "cars/3"}
        _opt_in(url)
        listing = CliRunner().invoke(app, ["models", "--tracking-uri", url])
        assert "old/1    fitted" in listing.output
        assert "greeting" not in listing.output
        assert "0 superseded" in CliRunner().invoke(app, ["prune", "--tracking-uri", url]).output


def _opt_in(url: str) -> None:
    request = FitRequest("old/1", settings=SMALL, tracking_uri=url)
    MlflowClient(url).set_registered_model_tag("old", tags.ALLOW_PICKLE, "true")
    with pytest.raises(PickleRefused, match="--allow-pickle"):
        run_fit(request)
    assert "flipad.allow_pickle" in diagnose("old/1", tracking_uri=url).remedy
    allowed = FitRequest("old/1", settings=SMALL, tracking_uri=url, allow_pickle=True)
    assert run_fit(allowed).status == "fitted"
