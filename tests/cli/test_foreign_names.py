"""What others named reaches a terminal as plain signs, whatever the terminal's character set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

EVIL = "evil\x1b[31m\nnight \u202e dark \u00e9 \u4e2d"
COMMANDS = {
    "models": ["models"],
    "one": ["models", EVIL],
    "json": ["models", "--json"],
    "prune": ["prune"],
    "doctor": ["doctor", f"models:/{EVIL}/1"],
    "fit": ["fit", f"models:/{EVIL}/1"],
    "missing": ["fit", "--all-missing"],
    "scan": ["scan", ".", "--model", EVIL],
    "unknown": ["scan", EVIL, "--model", f"other {EVIL}"],
    "report": ["report", EVIL],
    "usage": [EVIL],
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "model").mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    client.create_registered_model(EVIL)
    client.create_model_version(EVIL, str(folder / "model"))
    return uri


@pytest.mark.parametrize(
    ("name", "encoding"), [*((name, "ascii") for name in COMMANDS), ("models", "utf-8")]
)
def test_no_command_sends_what_others_wrote_to_the_terminal(
    name: str, encoding: str, registry: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from flipad_ops.cli.main import main; main()", *COMMANDS[name]],
        env={**os.environ, "MLFLOW_TRACKING_URI": registry, "PYTHONIOENCODING": encoding},
        capture_output=True,
        cwd=tmp_path,
    )
    for stream in (done.stdout, done.stderr):
        shown = stream.decode(encoding)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "Traceback" not in shown
    assert done.returncode in {0, 2, 4, 6}
