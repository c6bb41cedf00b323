"""The command line's page, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from flipad_ops.cli.app import app

INTRO = """\
# Command line

Made from the program: `flipadops COMMAND --help` says the same. Results go to stdout, progress and
errors to stderr; the exit codes are listed under [scan](../scan.md#exit-codes).
"""


def walk_commands(
    command: Any, name: str = "flipadops", parent: Any = None
) -> Iterator[tuple[str, Any, Any]]:
    """(full name, command, context) of every command, groups before their members."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield name, command, context
    for word, child in getattr(command, "commands", {}).items():
        yield from walk_commands(child, f"{name} {word}", context)


def render_cli() -> str:
    """The whole page as Markdown."""
    commands = walk_commands(typer.main.get_command(app))
    return "\n".join([INTRO, *(_section(*each) for each in commands)])


def _section(name: str, command: Any, context: Any) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## `{name}`", "", _text(command.help or ""), "", "```text", usage, "```", ""]
    # get_params adds --help; a hidden parameter has no record.
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [f"| `{names}` | {_cell(_text(told))} |" for names, told in filter(None, records)]
    return "\n".join([*lines, "| option | meaning |", "|---|---|", *rows, ""])


def _text(help_text: str) -> str:
    # Help is plain text: what Markdown would take for markup is none.
    return re.sub(r"([<>*_`\[\]])", r"\\\1", help_text.strip())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
