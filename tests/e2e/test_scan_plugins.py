"""The worked example of CONTRIBUTING as a user has it: another package's target and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from flipad_ops.common.errors import UsageError
from flipad_ops.common.plugins import plugin
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.outputs import parse_output

TESTS = Path(__file__).parents[1]
EXAMPLES, FITTED = TESTS / "examples", TESTS / "fixtures" / "format4"

pytestmark = pytest.mark.e2e


def flipadops(*arguments: str, cwd: Path, installed: bool) -> subprocess.CompletedProcess[str]:
    places = [str(TESTS.parent), *([str(EXAMPLES)] if installed else [])]
    return subprocess.run(
        [sys.executable, "-m", "flipad_ops", *arguments], cwd=cwd, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
        timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    samples = json.loads((FITTED / "scores.json").read_text())["samples"]
    with ZipFile(tmp_path / "found.zip", "w") as zipped:
        for index, sample in enumerate(samples):
            zipped.writestr(f"a b/{index}.png", encode_png(torch.tensor(sample)))
        zipped.writestr("notes.txt", "no image")
    return tmp_path / "found.zip"


def test_a_zip_is_scanned_and_findings_listed_in_markdown(archive: Path, tmp_path: Path) -> None:
    words = ("scan", archive.name, "-m", str(FITTED), "-o", "md-list", "-o", "jsonl=run.jsonl")
    done = flipadops(*words, cwd=tmp_path, installed=True)
    assert done.returncode == 0, done.stderr  # the attributor is too coarse for leaks
    lines = done.stdout.splitlines()
    assert lines[0] == "**review**"
    assert len(lines) == 2 + 4
    assert all(line.startswith("- review: <found.zip/a%20b/") for line in lines[2:])
    assert "8 scored" in done.stderr
    assert "1 skipped" in done.stderr
    again = flipadops("report", "run.jsonl", "-o", "md-list=list.md", cwd=tmp_path, installed=True)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "list.md").read_text() == done.stdout


def test_without_the_package_they_are_unknown(archive: Path, tmp_path: Path) -> None:
    words = ("scan", archive.name, "-m", str(FITTED), "-o")
    done = flipadops(*words, "md-list", cwd=tmp_path, installed=False)
    assert (done.returncode, "known are table, jsonl" in done.stderr) == (2, True), done.stderr
    done = flipadops(*words, "table", cwd=tmp_path, installed=False)
    assert done.returncode == 5, done.stderr  # one file, and no image


def test_the_folder_says_what_its_project_would(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text())["project"]
    read = ConfigParser(delimiters="=")
    read.read(EXAMPLES / "flipad_example-1.0.dist-info" / "entry_points.txt")
    stated = {group: dict(read[group]) for group in read.sections()}
    del stated["flipad_ops.broken"]
    assert stated == project["entry-points"]
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert parse_output("md-list=x.md") == ("md-list", Path("x.md"))
    with pytest.raises(UsageError, match=r"flipad_example\.nowhere"):
        plugin("flipad_ops.broken", "gone")
