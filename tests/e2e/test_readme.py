"""The commands of README's "Your own generator", typed in order against an installed wheel.

`make demo` is in test_demo.py, `make test` is what runs this.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.blocks import typed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own generator")[1].split("\n## ")[0]
#: What README says a reader has: a package of theirs, and a module in a Python session.
PACKAGE = """
import torch
from torch import nn


class Generator(nn.Sequential):
    def __init__(self, nz=100):
        super().__init__(
            nn.ConvTranspose2d(nz, 16, 4, 1, 0), nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
        )
        torch.manual_seed(1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.2)
"""
#: Appended to README's fits, so that they take seconds.
SMALL = """
{"own_train": 200, "own_calibration": 200, "own_test": 40, "anchor_samples": 200, "students": 0,
 "recompressed": 0, "second_moments": false, "min_negatives": 40, "max_negatives": 800,
 "detector": {"dim": 16, "epochs": 6}, "inversion": {"tolerance": 0.1}}
"""


def pip(*words: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words],
        check=True, timeout=300, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, ROOT)
    (wheel,) = folder.glob("flipad_ops-*.whl")
    pip("install", "--no-deps", "--no-index", "--target", folder / "site", wheel)
    return folder / "site"


def photos(folder: Path, count: int) -> None:
    folder.mkdir()
    chance = np.random.default_rng(5)
    for index in range(count):
        rows = np.cumsum(chance.normal(0, 9, (16, 16, 3)), axis=0)
        Image.fromarray(np.clip(128 + rows, 0, 255).astype(np.uint8)).save(folder / f"{index}.png")


def test_the_section_works_as_typed(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").write_text("")
    (tmp_path / "my_package" / "models.py").write_text(PACKAGE)
    (tmp_path / "small.json").write_text(SMALL)
    photos(tmp_path / "photos", 800)
    environment = {
        **os.environ, "PYTHONPATH": f"{installed}:{tmp_path}", "OMP_NUM_THREADS": "1",
        # `mlflow run` starts the `python` that it finds.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }  # fmt: skip
    python = [sys.executable]
    programs = {"flipadops": [*python, "-m", "flipad_ops"], "mlflow": [*python, "-m", "mlflow"],
                "python": python}  # fmt: skip

    def run(*words: str, code: int = 0) -> str:
        ended = subprocess.run(
            [*programs[words[0]], *words[1:]], cwd=tmp_path, env=environment, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        assert ended.returncode == code, (words, ended.stdout[-2000:], ended.stderr[-3000:])
        return ended.stdout

    # A file of weights, and the session in which README's Python is typed.
    session = (
        "import torch, my_package.models as m\nfrom safetensors.torch import save_file\n"
        "generator = m.Generator().eval()\nsave_file(generator.state_dict(), 'weights.safetensors')"
    )
    (snippet,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    run("python", "-c", f"{session}\n{snippet}")
    assert "can be attributed" in run("flipadops", "doctor", "models:/faces/1")

    typed_lines = typed(SECTION)
    assert [line.split()[0] for line in typed_lines] == [
        "pip", "export", "flipadops", "flipadops", "mlflow", "flipadops",
    ]  # fmt: skip
    _, _, register, fit, project, scan = (shlex.split(line, comments=True) for line in typed_lines)
    assert "models:/faces/2" in run(*register)
    for version in (1, 2):  # version 2 is the same generator again
        sampled = ["--count", "30", "--out", f"found-images/{version}"]
        run("flipadops", "sample", f"models:/faces/{version}", *sampled)
    photos(tmp_path / "found-images" / "photos", 30)

    assert "fitted for models:/faces/1" in run(*fit, "--settings", "small.json")
    # The attributor is there already: the project run finds it and ends well.
    shutil.copy(ROOT / "MLproject", tmp_path)
    shutil.copytree(ROOT / "mlproject", tmp_path / "mlproject")
    run(*project, "-P", "settings=small.json")
    table = run(*scan, code=3)
    counts = {cells[0]: int(cells[2]) for cells in map(str.split, table.splitlines())
              if cells and cells[0] in ("1", "2", "photos")}  # fmt: skip
    assert min(counts["1"], counts["2"]) >= 27
    assert counts["photos"] <= 3
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
