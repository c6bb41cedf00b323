"""`--help` is quick because it imports little, and says all that it should without Rich."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from flipad_ops.cli.app import app

SEEN = """
import json, sys
sys.argv = ["flipadops", *sys.argv[1:]]
from flipad_ops.cli.main import main
try:
    main()
except SystemExit:
    pass
json.dump(sorted(sys.modules), sys.stderr)
"""

HEAVY = {
    "asyncio", "boto3", "botocore", "jinja2", "mlflow", "numpy", "obstore", "pandas", "PIL",
    "pyarrow", "registry_hooks", "rich", "scipy", "sqlite3", "torch",
}  # fmt: skip


@pytest.mark.parametrize("words", [[], ["scan"], ["hooks"], ["hooks", "schedule"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    # A process that counts its lines imports more.
    environment = {name: at for name, at in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", SEEN, *words, "--help"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Usage: flipadops" in done.stdout
    loaded = set(json.loads(done.stderr))
    assert HEAVY & loaded == set()
    if not words:  # typer takes these in for the lists and paths of some commands
        assert {"email", "importlib.metadata", "pydantic"} & loaded == set()


def test_commands_are_described_by_whole_sentences() -> None:
    for words in ([], ["hooks"], ["hooks", "schedule"]):
        text = CliRunner().invoke(app, [*words, "--help"]).output
        assert "Commands:" in text
        assert "..." not in text.split("Commands:")[1]


def test_options_stand_under_their_headings() -> None:
    text = CliRunner().invoke(app, ["scan", "--help"]).output
    places = [
        text.index(part)
        for part in (
            "\nArguments:", "TARGET... <", "\nOptions:", "--fdr", "--help",
            "\nSelection, before any read:", "--since", "\nAccess to S3:", "--role-arn",
            "\nRecords:", "--baseline",
        )
    ]  # fmt: skip
    assert places == sorted(places)
