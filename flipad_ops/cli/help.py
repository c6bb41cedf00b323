"""Help as plain text: no Rich, whose import takes as long as everything else of `--help`.

What Rich would be missed for is kept: options under the headings of their `rich_help_panel`, and
commands with their whole first sentence.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

#: Longer first sentences of a command would be cut.
SENTENCE = 300


class PlainCommand(TyperCommand):
    """A command whose options are listed under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One list per heading, the arguments and the options without a heading first."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            plain = f"{parameter.param_type_name.capitalize()}s"
            panel = getattr(parameter, "rich_help_panel", None) or plain
            if record is not None:
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            if records:
                with formatter.section(panel):
                    formatter.write_dl(records)


class PlainGroup(TyperGroup):
    """A group whose commands are described by whole sentences."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Name and first sentence of each command."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        records = [
            (name, command.get_short_help_str(SENTENCE))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        if records:
            with formatter.section("Commands"):
                formatter.write_dl(records)
