from __future__ import annotations

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    UNAUTHENTICATED,
)

from flipad_ops.common.errors import UsageError
from flipad_ops.registry.denials import denied, explain_denial, unless_denied
from flipad_ops.registry.store import registry_errors


def refusal(path: str, code: int = PERMISSION_DENIED) -> MlflowException:
    return MlflowException(f"API request to endpoint /api/2.0/mlflow/{path} failed", code)


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("model-versions/set-tag", "it needs EDIT on registered model 'faces' ("),
        ("registered-models/alias", "it needs EDIT on registered model 'faces' ("),
        ("model-versions/get", "it needs READ on registered model 'faces', if there is such"),
        ("registered-models/create", "it needs the right to create registered models ("),
        ("runs/create", "it needs EDIT on the experiment of the run ("),
        ("runs/search", "it needs READ on the experiment of the run ("),
        ("logged-models/m-1/artifacts", "it needs EDIT on the experiment of the run ("),
        ("something/new", "denies account 'fitter' this (see Rights"),
    ],
)
def test_the_missing_right_is_named(path: str, right: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "fitter")
    with pytest.raises(UsageError) as caught, registry_errors("faces"):
        raise refusal(path)
    assert right in str(caught.value)
    assert "403" not in str(caught.value)


def test_who_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    text = explain_denial(refusal("runs/create", UNAUTHENTICATED))
    assert text is not None
    assert text.startswith("MLflow does not know this account: set MLFLOW_TRACKING_USERNAME")


def test_files_are_refused_by_plain_http() -> None:
    response = requests.Response()
    response.status_code = 403
    url = "http://127.0.0.1/api/2.0/mlflow-artifacts/artifacts/1/x"
    error = requests.HTTPError(f"403 Client Error: Forbidden for url: {url}", response=response)
    assert denied(error)
    with pytest.raises(UsageError, match="READ on the experiment of the files"), registry_errors():
        raise error
    response.status_code = 500
    assert explain_denial(error) is None


def test_only_denials_are_skipped() -> None:
    refused: list[str] = []
    with unless_denied(refused, "tag"):
        raise refusal("model-versions/set-tag")
    assert refused == ["tag"]
    with pytest.raises(MlflowException), unless_denied(refused, "tag"):
        raise refusal("model-versions/set-tag", RESOURCE_DOES_NOT_EXIST)
