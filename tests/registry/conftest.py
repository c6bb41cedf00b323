"""A fresh SQLite MLflow per test, and generators small enough to fit in a second."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from tests.registry.tiny import tiny_generator, tiny_settings

#: Raised inside MLflow and what it starts; warnings of ours stay errors.
THIRD_PARTY = (
    "ignore:.*noload.*:DeprecationWarning",
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::FutureWarning:mlflow.*",
    "ignore::UserWarning:mlflow.*",
)
#: A fixture imported by another conftest is another fixture to pytest; the stores are made once.
MADE: dict[str, Path] = {}
HERE = ("registry", "pipelines", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if set(HERE) & set(item.path.parts):
            for text in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads only get in each other's way on 16x16 images."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making MLflow's tables takes seconds: once per session, then copied."""
    if "empty" in MADE:
        return MADE["empty"]
    path = MADE["empty"] = tmp_path_factory.mktemp("store") / "empty.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def tiny_database(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `tiny` version 1, exported once per session."""
    from flipad_ops.registry.generators import register_generator

    if "tiny" in MADE:
        return MADE["tiny"]
    uri = copy_store(empty_database, tmp_path_factory.mktemp("tiny"))
    module, metadata = tiny_generator(seed=1)
    register_generator("tiny", module, metadata, tracking_uri=uri)
    MADE["tiny"] = Path(uri.removeprefix("sqlite:///"))
    return MADE["tiny"]


@pytest.fixture
def store(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of an empty store; the working directory holds its artifacts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy_store(empty_database, tmp_path)


@pytest.fixture
def registered(tiny_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a store with `tiny` version 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy_store(tiny_database, tmp_path)


@pytest.fixture(scope="session")
def fitted_database(tiny_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `tiny` 1 and 2 and an attributor of version 1, fitted against version 2."""
    from flipad_ops.registry.generators import register_generator
    from pipelines.fit import FitRequest, run_fit

    if "fitted" in MADE:
        return MADE["fitted"]
    uri = copy_store(tiny_database, tmp_path_factory.mktemp("fitted"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        register_generator("tiny", *tiny_generator(seed=2), tracking_uri=uri)
        run_fit(FitRequest("tiny/1", settings=tiny_settings(), tracking_uri=uri))
    MADE["fitted"] = Path(uri.removeprefix("sqlite:///"))
    return MADE["fitted"]


@pytest.fixture
def fitted(fitted_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a store with `tiny` 1 and 2 and `tiny-attributor` 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy_store(fitted_database, tmp_path)


def copy_store(database: Path, folder: Path) -> str:
    target = folder / "mlflow.db"
    shutil.copy(database, target)
    with closing(sqlite3.connect(target)) as connection, connection:
        # An experiment remembers the folder it was made in.
        connection.execute("UPDATE experiments SET artifact_location = ?", [f"{folder}/mlruns/0"])
    return f"sqlite:///{target}"
