"""A user's own folders do not stand in for our modules, nor ours for other projects'."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.servers import ENVIRONMENT, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def flipadops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed program, as a user in `folder` calls it."""
    program = Path(sys.executable).with_name("flipadops")
    return subprocess.run(
        [str(program), *words],
        cwd=folder,
        env={**ENVIRONMENT, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_folders_of_common_names_break_nothing(tmp_path: Path) -> None:
    for name in ("pipelines", "mlproject", "flipad_ops", "registry_hooks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    ended = flipadops(tmp_path, "fit", "models:/nothing/1")
    assert (ended.returncode, "shadowed" in ended.stderr) == (2, False), ended.stderr
    assert "No registered model 'nothing'" in ended.stderr
    ended = flipadops(tmp_path, "scan", ".", "-m", "nothing")
    assert ended.returncode == 2
    assert "No registered model 'nothing'" in ended.stderr


def test_the_wheel_brings_no_name_that_others_use(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(ROOT)],
        check=True, env=os.environ,
    )  # fmt: skip
    from zipfile import ZipFile

    (wheel,) = tmp_path.glob("*.whl")
    tops = {name.split("/")[0] for name in ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "flipad_ops",
        "registry_hooks",
    }
