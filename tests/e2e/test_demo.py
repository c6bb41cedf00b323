"""`flipadops demo` in a process of its own, and the commands it tells the user to type next."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.demo.published import WANTED
from tests.docs.blocks import typed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IMAGES = 12
KINDS = ("own-png", "own-jpeg", "own-resized", "other-faces", "photographs")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}  # nobody listens


def flipadops(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flipad_ops.cli.main", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def run(place: Path) -> subprocess.CompletedProcess[str]:
    """README's `make demo`, in the environment of this test."""
    if not all(map(find_spec, WANTED)):
        pytest.skip("requirements-demo.lock is not installed")
    stamp = Path(sys.prefix) / ".demo"  # what is installed here counts as up to date
    return subprocess.run(
        ["make", "-s", "-o", stamp, "demo", f"VENV={sys.prefix}", f"ARGS=--dir {place / 'out'}"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip


def test_it_works_and_says_so(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 0, run.stderr
    assert re.search(rf"^LEAK: \d+ of {5 * IMAGES} images", run.stdout, re.MULTILINE)
    for stage in ("register", "fit: train", "fit: calibrate", "scan", "remake"):
        assert stage in run.stderr
    assert "Traceback" not in run.stderr
    assert "INFO" not in run.stderr


def test_readme_shows_what_it_prints(run: subprocess.CompletedProcess[str], place: Path) -> None:
    """Line by line, figures apart: machines differ in the last images."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("$ make demo\n", 1)[1].split("```", 1)[0]
    printed = run.stdout.replace(str(place / "out"), "flipadops-demo")

    def masked(text: str) -> list[str]:
        return [re.sub(r"[\d.e-]*\d", "#", " ".join(line.split())) for line in text.splitlines()]

    assert masked(shown) == masked(printed)


def test_own_images_are_flagged_and_the_others_are_not(
    run: subprocess.CompletedProcess[str], place: Path
) -> None:
    lines = [json.loads(line) for line in (place / "out" / "scan.jsonl").read_text().splitlines()]
    images = [line for line in lines if line["type"] == "image"]
    counts = Counter(image["key"].split("/")[0] for image in images)
    assert counts == dict.fromkeys(KINDS, IMAGES)
    flagged = Counter(i["key"].split("/")[0] for i in images if i["verdict"] != "clear")
    assert min(flagged[kind] for kind in KINDS[:2]) >= 0.7 * IMAGES
    assert max(flagged[kind] for kind in KINDS[3:]) <= 2
    assert lines[-1]["complete"] is True


def test_the_scanned_images_vary(run: subprocess.CompletedProcess[str], place: Path) -> None:
    for kind in KINDS:
        files = sorted((place / "out" / "found" / kind).iterdir())
        opened = [Image.open(file).resize((64, 64)) for file in files]
        pixels = np.stack([np.asarray(image) for image in opened]) / 255
        assert pixels.shape == (IMAGES, 64, 64, 3)
        assert pixels.std(axis=0).mean() > 0.1, f"{kind} images look alike"


def test_both_generators_are_registered_and_one_has_its_attributor(
    run: subprocess.CompletedProcess[str], place: Path
) -> None:
    with sqlite3.connect(place / "out" / "mlflow.db") as database:
        rows = database.execute("select name, version, storage_location from model_versions")
        versions = {(name, version): Path(where) for name, version, where in rows}
    database.close()
    assert set(versions) == {(name, 1) for name in ("faces", "faces-attributor", "others-faces")}
    assert all(where.is_relative_to(place / "out" / "mlruns") for where in versions.values())


def test_the_report_shows_the_verdict_with_pictures(
    run: subprocess.CompletedProcess[str], place: Path
) -> None:
    page = (place / "out" / "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "leak" in page
    assert "faces version 1" in page
    assert "own-png/000.png" in page
    assert "other-faces/000.png" not in page
    assert page.count("data:image/png;base64,") >= 3 * IMAGES


def test_every_pictured_finding_stands_beside_a_remade_face(
    run: subprocess.CompletedProcess[str], place: Path
) -> None:
    """Own ones come near, and what is called by mistake visibly does not."""
    page = (place / "out" / "report.html").read_text()
    figures = re.findall(r'<figure class="exhibit .*?</figure>', page, re.DOTALL)
    assert len(figures) >= 1.4 * IMAGES
    near: dict[str, list[float]] = {"own": [], "foreign": []}
    for figure in figures:
        assert figure.count('class="likeness" src="data:image/png') == 1
        assert figure.count('class="difference" src="data:image/png') == 1
        (kind,) = re.findall(r"found/([a-z-]+)/\d", figure)
        (psnr,) = re.findall(r"remade for the eye, ([\d.]+) dB", figure)
        near["own" if kind.startswith("own") else "foreign"].append(float(psnr))
    assert np.median(near["own"]) > 33
    assert all(psnr < np.median(near["own"]) for psnr in near["foreign"])
    assert "remake findings for the report" in run.stderr


def test_the_scan_it_suggests_finds_the_same(
    run: subprocess.CompletedProcess[str], place: Path
) -> None:
    suggested = next(line for line in run.stdout.splitlines() if "flipadops scan" in line)
    words = shlex.split(suggested)
    assert words[0] == "flipadops"
    scan = flipadops(*words[1:], "-o", "json", folder=place / "out")
    assert scan.returncode == 3, scan.stderr
    lines = (place / "out" / "scan.jsonl").read_text().splitlines()
    first, again = json.loads(lines[-1]), json.loads(scan.stdout)["summary"]
    assert again["leak"] == first["leak"]
    assert again["attributors"] == first["attributors"]


def test_the_tutorial_goes_on_from_it(
    run: subprocess.CompletedProcess[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands after `make demo`, in one process, with the exit codes that it shows."""
    page = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
    lines = typed(page)
    assert lines[:3] == ["make demo", "source .venv/bin/activate", "cd flipadops-demo"]
    monkeypatch.chdir(place / "out")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", lines[3].removeprefix("export MLFLOW_TRACKING_URI="))
    codes, code = [], 0
    for line in lines[4:]:
        if line == "echo $?":
            codes.append(str(code))
            continue
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        code = result.exit_code
        assert code in (0, 3), (line, result.output, result.exception)
    assert codes == re.findall(r"^\$ echo \$\?\n(\d+)$", page, re.MULTILINE) == ["3", "0"]
    assert "<h1>Suspected leak" in (place / "out" / "found.html").read_text()


def test_a_folder_of_the_users_own_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused = flipadops("demo", "--dir", ".", "-q", folder=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == (
        "flipadops: . is not empty and no earlier demo: name another --dir.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
