"""A folder in the user's directory that has the name of one of our packages."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.fit_worker import FitProcess
from registry_hooks.hook_settings import HookSettings
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.scan_run import run_scan
from registry_hooks.schedules import Schedule
from registry_hooks.schema import Fit

pytestmark = pytest.mark.e2e
NAMES = ("pipelines", "mlproject", "registry_hooks", "flipad_ops", "typing")


@pytest.fixture
def shadows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which an import of any of the names would end a process."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fit_is_ours(shadows: Path, store: str) -> None:
    fit = Fit(id=1, key="nobody/1", queue="c" * 64, attempts=1, token="t")
    end = FitProcess(HookSettings(registry=store), fit).end()
    assert (end.kind, "nobody" in str(end.message)) == ("GeneratorNotFound", True)


def test_a_project_of_the_user_is_run_by_our_fit(shadows: Path, store: str) -> None:
    """The project's own command sees the project's folder, and nothing before it is shadowed."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    client.create_registered_model("gan")
    client.create_model_version("gan", "file:///nowhere")
    project = shadows / "project"
    project.mkdir()
    parameters = [
        "model_uri",
        "negatives",
        "negatives_models",
        "recipe",
        "seed",
        "device",
        "allow_pickle",
    ]
    given = "\n".join(f"      {name}: {{type: string, default: ''}}" for name in parameters)
    text = f"name: stub\nentry_points:\n  fit:\n    parameters:\n{given}\n"
    (project / "MLproject").write_text(text + "    command: echo ran > ran.txt\n")
    fit = Fit(id=1, key="gan/1", queue="c" * 64, attempts=1, token="t")
    process = FitProcess(HookSettings(registry=store, project=str(project)), fit)
    end = process.end()
    assert end.message == "The project left no attributor.", process.log.read_text()
    assert (project / "ran.txt").read_text() == "ran\n"


def test_a_scan_is_ours(shadows: Path, work: FitQueue) -> None:
    (shadows / "found").mkdir()
    schedule = Schedule("n", "0 2 * * *", ("found",), ("nothing",), outputs=())
    scans = ScanQueue(work.sessions)
    scans.sync([schedule])
    scan = scans.start("n", shadows / "logs")
    assert scan is not None
    code = run_scan(scans, schedule, scan, threading.Event())
    said = (Path(str(scan.folder)) / "log.txt").read_text()
    assert "shadowed" not in said
    assert code in (2, 6), json.dumps(said)
