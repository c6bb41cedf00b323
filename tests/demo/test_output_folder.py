"""Whose folder it is, and whose MLflow."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from flipad_ops.demo.output_folder import MADE, MARKER, claim, inside


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert not claim(folder)
    assert (folder / MARKER).is_file()


def test_an_earlier_demo_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    claim(tmp_path)
    (tmp_path / "mlflow.db").write_text("old")
    (tmp_path / "found" / "own").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("mine")
    assert claim(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARKER, "notes.txt"]


def test_a_linked_folder_loses_the_link_only(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "demo"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    claim(folder)
    (folder / "found").symlink_to(elsewhere)
    claim(folder)
    assert (elsewhere / "kept").exists()
    assert not (folder / "found").exists()


def test_a_folder_with_other_things_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / MADE[0]).write_text("mine")
    with pytest.raises(UsageError, match="not empty and no earlier demo: name another --dir"):
        claim(tmp_path)
    assert (tmp_path / MADE[0]).read_text() == "mine"
    assert not (tmp_path / MARKER).exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch()
    with pytest.raises(UsageError, match="cannot be used: File exists"):
        claim(target)


def test_inside_another_mlflow_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:2")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    here = Path.cwd()
    seen: dict[str, object] = {}

    def broken_off() -> None:
        with inside(tmp_path):
            seen["folder"] = Path.cwd()
            seen["stores"] = {mlflow.get_tracking_uri(), mlflow.get_registry_uri()}
            seen["experiment"] = os.environ.get("MLFLOW_EXPERIMENT_NAME")
            seen["chat"] = logging.getLogger("mlflow").isEnabledFor(logging.INFO)
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        broken_off()
    assert seen == {
        "folder": tmp_path,
        "stores": {"sqlite:///mlflow.db"},
        "experiment": None,
        "chat": False,
    }
    assert Path.cwd() == here
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1"
    assert os.environ["MLFLOW_REGISTRY_URI"] == "http://127.0.0.1:2"
    assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "theirs"
    assert mlflow.get_tracking_uri() == "http://127.0.0.1:1"
    assert logging.getLogger("mlflow").isEnabledFor(logging.ERROR)
    assert logging.root.manager.disable == logging.NOTSET
