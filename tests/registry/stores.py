"""Pytest plugin: a fresh SQLite MLflow per test, and generators that fit in a second."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from tests.registry.tiny import tiny_generator, tiny_settings

#: Raised inside MLflow and what it starts; warnings of ours stay errors.
THIRD_PARTY = (
    "ignore:.*noload.*:DeprecationWarning",
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::FutureWarning:mlflow.*",
    "ignore::UserWarning:mlflow.*",
)
#: A second witness in seconds.
QUICK = RegenerationSettings(encoder_steps=200, first_steps=20, steps=80, own=30, foreign=20)
HERE = {"registry", "registry_hooks", "pipelines", "e2e"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE & set(item.path.parts):
            for text in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads only get in each other's way on tests' small images."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _forget_uri() -> Iterator[None]:
    """MLflow keeps the store that a test, or `mlflow.run`, has set."""
    yield
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making MLflow's tables takes seconds: once per session, then copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "empty.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def tiny_database(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `tiny` version 1, exported once per session."""
    from flipad_ops.registry.generators import register_generator

    uri = copy_store(empty_database, tmp_path_factory.mktemp("tiny"))
    module, metadata = tiny_generator(seed=1)
    register_generator("tiny", module, metadata, tracking_uri=uri)
    return Path(uri.removeprefix("sqlite:///"))


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
    from flipad_ops.workflows.fit import FitRequest, fit

    uri = copy_store(tiny_database, tmp_path_factory.mktemp("fitted"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        register_generator("tiny", *tiny_generator(seed=2), tracking_uri=uri)
        fit(FitRequest("tiny/1", settings=tiny_settings(), tracking_uri=uri))
    return Path(uri.removeprefix("sqlite:///"))


@pytest.fixture
def fitted(fitted_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a store with `tiny` 1 and 2 and `tiny-attributor` 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy_store(fitted_database, tmp_path)


@pytest.fixture(scope="session")
def witnessed_database(tiny_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, fitted with a second witness."""
    from flipad_ops.registry.generators import register_generator
    from flipad_ops.workflows.fit import FitRequest, fit

    uri = copy_store(tiny_database, tmp_path_factory.mktemp("witnessed"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        register_generator("tiny", *tiny_generator(seed=2), tracking_uri=uri)
        fit(FitRequest("tiny/1", settings=tiny_settings(regeneration=QUICK), tracking_uri=uri))
    return Path(uri.removeprefix("sqlite:///"))


@pytest.fixture
def witnessed(witnessed_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a store with `tiny` 1 and 2 and `tiny-attributor` 1, whose second witness
    speaks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy_store(witnessed_database, tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six 96x96 pictures of smooth noise: 36 patches of 16x16 each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        small.resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def copy_store(database: Path, folder: Path) -> str:
    target = folder / "mlflow.db"
    shutil.copy(database, target)
    with closing(sqlite3.connect(target)) as connection, connection:
        # An experiment remembers the folder it was made in.
        connection.execute("UPDATE experiments SET artifact_location = ?", [f"{folder}/mlruns/0"])
    return f"sqlite:///{target}"
