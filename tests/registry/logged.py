"""Put a folder of files into a registry as one version, as people do who have no MLmodel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient


def log_folder(name: str, folder: Path, store: str, **stated: Any) -> str:
    """The folder's files, with flipad.json beside them where something is stated; "NAME/1"."""
    if stated:
        (folder / "flipad.json").write_text(json.dumps(stated))
    mlflow.set_tracking_uri(store)
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "generator")
    client = MlflowClient(store)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.info.run_id}/generator", run.info.run_id)
    return f"{name}/1"
