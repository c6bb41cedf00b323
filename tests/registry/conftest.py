"""A fresh SQLite MLflow per test, and generators small enough to fit in a second."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.registry.tiny import tiny_generator

#: Raised inside MLflow's own modules and tools it starts; ours stay errors.
THIRD_PARTY = (
    "ignore:.*noload.*:DeprecationWarning",
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::FutureWarning:mlflow.*",
    "ignore::UserWarning:mlflow.*",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for text in THIRD_PARTY:
            item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making MLflow's tables takes seconds: once per session, then copied."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def tiny_database(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `tiny` version 1, exported once per session."""
    from flipad_ops.registry.generators import register_generator

    uri = _copy(empty_database, tmp_path_factory.mktemp("tiny"))
    module, metadata = tiny_generator(seed=1)
    register_generator("tiny", module, metadata, tracking_uri=uri)
    return Path(uri.removeprefix("sqlite:///"))


@pytest.fixture
def store(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of an empty store; the working directory holds its artifacts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return _copy(empty_database, tmp_path)


@pytest.fixture
def registered(tiny_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a store with `tiny` version 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return _copy(tiny_database, tmp_path)


def _copy(database: Path, folder: Path) -> str:
    target = folder / "mlflow.db"
    shutil.copy(database, target)
    with closing(sqlite3.connect(target)) as connection, connection:
        # An experiment remembers the folder it was made in.
        connection.execute("UPDATE experiments SET artifact_location = ?", [f"{folder}/mlruns/0"])
    return f"sqlite:///{target}"
