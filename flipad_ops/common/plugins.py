"""What other installed packages add, by entry points."""

from __future__ import annotations

from typing import Any

from flipad_ops.common.errors import UsageError


def plugin(group: str, name: str) -> Any | None:
    """The object that a package registered under a name, or None.

    Raises
    ------
    UsageError
        It cannot be imported.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group=group, name=name):
        try:
            return entry.load()
        except Exception as error:  # importing runs the package's code
            raise UsageError(
                f"{entry.value}, installed for {name!r}, cannot be imported: {error}."
            ) from error
    return None


def plugin_names(group: str) -> list[str]:
    """All names of a group."""
    from importlib.metadata import entry_points

    return sorted(entry_points(group=group).names)
