"""Every command that README and the pages show is one that the programs take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from flipad_ops.cli.app import app
from tests.docs.blocks import calls, typed

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def check(words: list[str]) -> None:
    """Raise unless the program named first takes the rest; nothing is run."""
    if words[0] == "flipadops":
        command: Any = typer.main.get_command(app)
        rest = words[1:]
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        assert not getattr(command, "commands", {}), f"{words} names no command"
        command.make_context(" ".join(words), rest)
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), words
    elif words[:2] == ["mlflow", "run"]:
        project = yaml.safe_load((ROOT / "MLproject").read_text())
        entry = project["entry_points"][words[words.index("-e") + 1]]
        given = {words[i + 1].partition("=")[0] for i, word in enumerate(words) if word == "-P"}
        assert given <= set(entry["parameters"]), words


def check_line(line: str) -> None:
    for words in calls(line):
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_taken(page: Path) -> None:
    for line in typed(page.read_text(encoding="utf-8")):
        try:
            check_line(line)
        except Exception as error:
            raise AssertionError(f"{page.name}: {line}: {error}") from error


def test_commands_are_found() -> None:
    counts = {page.name: len(typed(page.read_text(encoding="utf-8"))) for page in PAGES}
    assert counts["README.md"] >= 8
    assert counts["tutorial.md"] >= 8
    assert counts["face-dcgan.md"] == 8


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("flipadops scan found --modle faces", "No such option"),
        ("flipadops scan found --fdr much", "number"),
        ("flipadops verify", "(?i)missing"),
        ("flipadops hooks upp", "names no command"),
        ("flipadops hook up", "names no command"),
        ("make demos", "demos"),
        ("cd x && TZ=UTC flipadops fit models:/a/1 --negative photos/ | cat", "No such option"),
        ("mlflow run . -e fit -P model=models:/a/1", "'model'"),
    ],
)
def test_commands_that_do_not_exist_are_told(line: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        check_line(line)
