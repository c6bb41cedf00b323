"""`flipadops hooks schedule ...`, up to a real scan in its own process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flipad_ops.cli.hooks import hooks
from flipad_ops.common.errors import UsageError
from tests.scanning.pipeline.test_run import save

FILE = """
[hooks]
registry = "{registry}"
[[schedule]]
name = "nightly"
cron = "15 2 * * *"
targets = ["found"]
models = ["tiny"]
options = ["--size-rule", "resize"]
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hooks, arguments)


@pytest.mark.e2e
def test_pause_resume_list_and_a_real_scan(fitted: str, tmp_path: Path) -> None:
    (tmp_path / "flipadops.toml").write_text(FILE.format(registry=fitted))
    for index in range(4):
        save(tmp_path / "found" / f"{index}.png", 0.1 * index)
    assert "never ran" in run("schedule", "list").stdout
    assert run("schedule", "pause", "nightly").stdout == "nightly is paused\n"
    assert isinstance(run("schedule", "pause", "nightly").exception, UsageError)
    assert "paused" in run("schedule", "list").stdout
    assert run("schedule", "resume", "nightly").stdout.startswith("nightly runs next at ")
    assert isinstance(run("schedule", "resume", "nightly").exception, UsageError)
    done = run("schedule", "run-now", "nightly")
    assert done.exit_code in (0, 3), done.output
    (found,) = json.loads(run("schedule", "list", "--json").stdout)
    assert (found["last"]["exit_code"], found["last"]["scored"]) == (done.exit_code, 4)
    folder = Path(found["last"]["folder"])
    assert {path.name for path in folder.iterdir()} == {"records.jsonl", "log.txt", "scan.html"}
    error = run("schedule", "run-now", "bogus").exception
    assert str(error) == "No schedule 'bogus'; there are: nightly."
    assert "there are: none" in str(run("notify", "bogus").exception)
