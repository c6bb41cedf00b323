"""The worked example of docs/own-generator.md, executed as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import typed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
_FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


def test_the_worked_example_works(store: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own-generator.md").read_text(encoding="utf-8")
    example = page.split("## Samples without a model")[0]
    for name, text in _FILE.findall(example):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    site = tmp_path / "site"
    python = {"python": [sys.executable], "flipadops": [sys.executable, "-m", "flipad_ops"]}
    # Into a folder of the test's own, with the build tools that are there.
    python["pip"] = [sys.executable, "-m", "pip", "-q"]
    target = ["--target", str(site), "--no-build-isolation", "--no-index"]
    environment = {
        **os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": f"{site}:{ROOT}",
        "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip
    printed = {}
    for line in typed(example):
        program, *rest = shlex.split(line)
        command = [*python[program], *rest, *(target if program == "pip" else [])]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 0, (line, ended.stderr[-2000:])
        printed[line] = ended.stdout
    doctor, scan = (
        next(out for line, out in printed.items() if f"flipadops {word}" in line)
        for word in ("doctor", "scan")
    )
    assert "can be attributed" in doctor
    counts = {cells[0]: [int(n) for n in cells[1:3]] for cells in map(str.split, scan.splitlines())
              if cells and cells[0] in ("ours", "theirs")}  # fmt: skip
    assert counts["ours"][0] == counts["theirs"][0] == 30
    assert counts["ours"][1] >= 27
    assert counts["theirs"][1] <= 3
