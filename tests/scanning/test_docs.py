"""docs/scan.md names every option, format and exit code."""

from __future__ import annotations

from pathlib import Path

import typer.main

from flipad_ops.cli.app import app
from flipad_ops.common import exit_codes
from flipad_ops.scanning.outputs import FORMATS
from flipad_ops.scanning.outputs.text_table import GLOSS

TEXT = (Path(__file__).parents[2] / "docs" / "scan.md").read_text(encoding="utf-8")


def test_every_option_is_documented_and_has_help() -> None:
    command = typer.main.get_command(app).commands["scan"]  # type: ignore[attr-defined]
    for parameter in command.params:
        assert parameter.name == "targets" or parameter.help, parameter.name
        names = [name for name in parameter.opts if name.startswith("--")]
        assert all(name in TEXT for name in names), names


def test_every_format_and_exit_code_is_documented() -> None:
    for name in FORMATS:
        assert f"| `{name}` |" in TEXT
    codes = [value for name, value in vars(exit_codes).items() if name.isupper() and name[0] != "_"]
    assert codes
    for code in codes:
        assert f"| {code}" in TEXT


def test_the_glossary_says_what_the_table_does() -> None:
    pages = Path(__file__).parents[2] / "docs"
    assert f"> {GLOSS}\n" in (pages / "glossary.md").read_text(encoding="utf-8")
