"""A scan as an MLflow run."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from flipad_ops.common.errors import TrackingError
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from flipad_ops.workflows.scan_tracking import EXPERIMENT, log_scan
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png


def test_a_server_that_is_away_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "0.png").write_bytes(png(0.05, 0))
    asked = ScanPlan([open_target(str(tmp_path / "found"))], workers=0)
    outcome = run_scan(asked, [DarkIsOurs()])
    with pytest.raises(TrackingError, match="cannot be logged to MLflow"):
        log_scan(outcome, "http://127.0.0.1:9")


@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning:mlflow.*")
@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*")
def test_scan_becomes_a_run_linked_to_its_attributor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found").mkdir()
    for index in range(4):
        (tmp_path / "found" / f"{index}.png").write_bytes(png(0.05, index))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    # Registering looks the model up there, whatever an earlier test set for the process.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = client.create_experiment(
        EXPERIMENT, artifact_location=(tmp_path / "artifacts").as_uri()
    )
    model = client.create_logged_model(experiment, name="dark")
    client.create_registered_model("dark")
    client.create_model_version("dark", f"models:/{model.model_id}")
    asked = ScanPlan([open_target(str(tmp_path / "found"))], workers=0)
    run = client.get_run(log_scan(run_scan(asked, [DarkIsOurs()]), uri))
    assert run.info.status == "FINISHED"
    assert run.data.metrics["leak"] == 4
    assert run.data.params["attributors"] == "dark/1"
    assert run.data.tags["flipad.verdict"] == "leak"
    assert run.data.tags["flipad.attributor.dark"] == "dark/1"
    assert [i.model_id for i in run.inputs.model_inputs] == [model.model_id]
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"report.html", "summary.json", "scores"}
