"""docs/from-python.ipynb runs, prints what it shows, and scans as the command line does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tests.e2e.servers import ENVIRONMENT, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
BOOK = ROOT / "docs" / "from-python.ipynb"
#: Runs cells, then the command line on what they left, in the notebook's own folder.
PROGRAM = """
import contextlib, io, json, os, pathlib, subprocess, sys
space, printed = {}, []
for code in json.load(sys.stdin):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(code, space)
    printed.append(stream.getvalue())
words = ["scan", "found", "-m", "textures/1", "-o", "jsonl=command.jsonl", "-q"]
code = subprocess.run([sys.executable, "-m", "flipad_ops", *words]).returncode
texts = [pathlib.Path(name).read_text() for name in ("scan.jsonl", "command.jsonl")]
json.dump([printed, code, *texts], sys.stdout)
"""


@pytest.fixture(scope="module")
def ran() -> tuple[list[str], int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(["".join(cell["source"]) for cell in code_cells()]),
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed, code, page, command = json.loads(done.stdout)
    return printed, code, page, command


def code_cells() -> list[dict[str, object]]:
    cells = json.loads(BOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_prints_what_it_shows(ran: tuple[list[str], int, str, str]) -> None:
    # Figures may differ in a digit on another machine, words may not.
    for cell, text in zip(code_cells(), ran[0], strict=True):
        shown = "".join("".join(output["text"]) for output in cell["outputs"])  # type: ignore[attr-defined]
        assert _words(text) == _words(shown)
    attributed = next(line for line in ran[0] if line.startswith("{'ours'"))
    counts = ast.literal_eval(attributed.partition("}")[0] + "}")
    assert counts["ours"] >= 27
    assert counts["theirs"] <= 3


def test_a_scan_from_python_gives_the_rows_of_the_command(
    ran: tuple[list[str], int, str, str],
) -> None:
    _, code, page, command = ran
    assert code == 3
    rows = [
        [json.loads(line) for line in text.splitlines() if '"type": "image"' in line]
        for text in (page, command)
    ]
    assert len(rows[0]) == 60
    assert rows[0] == rows[1]


def _words(text: str) -> list[str]:
    return "".join(c for c in text if not c.isdigit() and c != ".").split()
