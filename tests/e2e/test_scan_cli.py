"""`flipadops scan` and `report` as processes: streams, exit codes, signals, resumption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flipad_ops.common.errors import FlipadError
from flipad_ops.common.exit_codes import exit_code
from flipad_ops.storage import LocalTarget
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "FORCE_COLOR": "1",
    "OMP_NUM_THREADS": "1",
}

pytestmark = pytest.mark.e2e

#: The real command with a plain scorer in place of the registry's.
PROGRAM = """
import sys, time, types
from tests.scanning.fakes import DarkIsOurs

class Slow(DarkIsOurs):
    def score(self, pixels, residual=False):
        time.sleep(PAUSE)
        return super().score(pixels, residual)

# The registry's own module would load MLflow for nothing.
registry = types.ModuleType("flipad_ops.registry.scorers")
registry.load_scorers = lambda *args: [Slow()]
sys.modules[registry.__name__] = registry
from flipad_ops.cli.main import main
sys.argv[0] = "flipadops"
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    root.mkdir()
    for index in range(40):
        (root / f"{index:02d}.png").write_bytes(png(0.05 if index < 8 else 0.7, index))
    return root


def command(*arguments: str, pause: float = 0.0) -> list[str]:
    program = PROGRAM.replace("PAUSE", str(pause))
    return [sys.executable, "-c", program, *arguments]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_one_scan_many_outputs_and_their_conversion(folder: Path, tmp_path: Path) -> None:
    ended = run(
        "scan", str(folder), "-m", "dark", "-o", "json", "-o", "jsonl=run.jsonl",
        "-o", "html=report.html", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    document = json.loads(ended.stdout)
    assert document["summary"]["leak"] == 8
    assert document["summary"]["command"].startswith("flipadops scan ")
    assert "40 scored, 8 leaks" in ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    converted = run("report", "run.jsonl", "-o", "sarif", "-o", "junit=j.xml", cwd=tmp_path)
    assert converted.returncode == 0, converted.stderr
    assert len(json.loads(converted.stdout)["runs"][0]["results"]) == 8


def invoke(arguments: list[str], folder: Path) -> Result:
    """The command in this process."""
    from flipad_ops.cli.app import app
    from flipad_ops.registry import scorers

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(scorers, "load_scorers", lambda *args: [DarkIsOurs()])
        return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(("part", "code"), [("0[0-7]*", 3), ("1*", 7)])
def test_mlflow_away_hides_no_finding(
    part: str, code: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 2 whatever was found."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    options = ["scan", str(folder), "-m", "dark", "--include", part, "-o", "json=scan.json", "-q"]
    away = ["--mlflow-run", "--tracking-uri", "http://127.0.0.1:9"]
    result = invoke([*options, *away], tmp_path)
    assert result.exit_code == code, result.output
    assert "The scan is finished, but cannot be logged to MLflow: " in result.stderr
    assert json.loads((tmp_path / "scan.json").read_text())["summary"]["complete"] is True


def test_dry_run_reads_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a dry run must not read")

    monkeypatch.setattr(LocalTarget, "read", refuse)
    options = ["scan", str(folder), "-m", "dark", "--dry-run", "--include", "0*"]
    result = invoke([*options, "-o", "json", "--state", "state.db", "-q"], tmp_path)
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["objects"] == 10
    assert facts["attributors"]["dark/1"]["p_floor"] == 0.001
    assert not (tmp_path / "state.db").exists()
    assert "10 objects" in invoke(options, tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["scan", "x"], 2, "--model"),
        (["scan", "nowhere", "-m", "d"], 4, "No such file"),
        (["scan", ".", "-m", "d", "--include", "*.none"], 5, "Nothing to scan"),
        (["scan", ".", "-m", "d", "--resume"], 2, "--state LEDGER"),
        (["scan", ".", "-m", "d", "--state", "none.db", "--resume"], 2, "no ledger"),
        (["scan", ".", "-m", "d", "--yearly", "0.1"], 2, "--state FILE"),
        (["scan", ".", "-m", "d", "--yearly", "0.1", "--state", "delta://x"], 2, "--state FILE"),
        (["scan", "ftp://x", "-m", "d"], 2, "Cannot read"),
        (["report", "none.jsonl"], 2, "none.jsonl"),
    ],
)
def test_errors_are_one_sentence_and_a_code(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    result = invoke(arguments, tmp_path)
    assert isinstance(result.exception, FlipadError)
    assert exit_code(result.exception) == code
    assert message in str(result.exception)
    assert result.stdout == ""


def test_daily_scans_share_a_ledger(folder: Path, tmp_path: Path) -> None:
    """A leak is told every day, new images are tested at their day's share, and all say so."""
    options = ["scan", str(folder), "-m", "dark", "--state", "s.db", "-o", "json=out.json"]

    def scan(*more: str) -> tuple[int, dict[str, Any], str]:
        result = invoke([*options, *more], tmp_path)
        summary = json.loads((tmp_path / "out.json").read_text())["summary"]
        return result.exit_code, summary, result.stderr

    code, first, said = scan()
    assert (code, first["leak"], first["over_time"]["tests"]) == (3, 8, 40)
    assert "Day 1 of this ledger: 40 new tests at level 0.01" in said
    (folder / "second.png").write_bytes(png(0.05, 98))
    _, second, said = scan()
    assert (second["leak"], second["reused"]) == (9, 40)
    assert "passed and so decided at FDR 0.01" in said
    (folder / "third.png").write_bytes(png(0.05, 99))
    code, third, said = scan()
    assert (code, third["leak"], third["review"], third["reused"]) == (3, 9, 1, 41)
    assert "1 new test at level 0.000" in said
    assert "no number of new images alone could be called" in said
    code, alone, said = scan("--yearly", "0")
    assert (code, alone["leak"], alone["over_time"]) == (3, 10, None)
    assert "Day 1" not in said


def test_signals_save_a_checkpoint_to_resume_from(folder: Path, tmp_path: Path) -> None:
    options = ["scan", str(folder), "-m", "dark", "-o", "json", "--state", "s.db", "-q",
               "--batch-size", "2"]  # fmt: skip
    before = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            command(*options, pause=0.3), cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE
        ) as process:
            deadline = time.monotonic() + 60
            while scored(tmp_path / "s.db") <= before and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(number)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        cut = json.loads(out)["summary"]
        assert cut["complete"] is False
        assert (cut["over_time"]["batch"], cut["over_time"]["spent"]) == (0, 0)
        before = scored(tmp_path / "s.db")
        assert 0 < before < 40
    ended = run(*options, "--resume", cwd=tmp_path)
    summary = json.loads(ended.stdout)["summary"]
    assert ended.returncode == 3
    assert summary["scored"] == 40
    assert summary["reused"] == before
    assert (summary["over_time"]["batch"], summary["over_time"]["tests"]) == (1, 40)
    assert summary["leak"] == 8
    again = run(*options, "--resume", cwd=tmp_path)
    same = json.loads(again.stdout)["summary"]
    assert (again.returncode, same["leak"]) == (3, 8)
    assert same["over_time"]["spent"] == summary["over_time"]["spent"]


def scored(path: Path) -> int:
    """Rows in a ledger that somebody else is writing."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM rows").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
