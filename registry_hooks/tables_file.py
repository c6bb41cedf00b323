"""Lists of tables in flipadops.toml, `[[schedule]]` and `[[notify]]`, with checked fields."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import UsageError


def read_toml(path: Path | None) -> dict[str, Any]:
    """The file as a dict; {} for None.

    Raises
    ------
    UsageError
    """
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is neither of its own
        raise UsageError(f"{path} is not TOML: {error}.") from error


def read_tables(path: Path | None, name: str) -> list[dict[str, Any]]:
    """Every `[[name]]`; a UsageError when it is anything else."""
    found = read_toml(path).get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(f"Write [[{name}]] for each {name} in {path}.")
    return found


def checked_fields(
    name: str, table: Mapping[str, Any], known: tuple[Field[Any], ...]
) -> dict[str, Any]:
    """The values of one table in the types of a dataclass's annotations.

    Raises
    ------
    UsageError
        An unknown or missing key, or a value of another type.
    """
    by_name = {each.name: each for each in known}
    label = f"[[{name}]] {table.get('name', '')}".rstrip()
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in by_name:
            raise UsageError(f"{label} has an unknown key {key!r}.")
        values[key] = _checked(label, key, value, str(by_name[key].type))
    for key, each in by_name.items():
        if key not in values and each.default is MISSING:
            raise UsageError(f"{label} lacks {key}.")
    return values


def _checked(label: str, key: str, value: Any, kind: str) -> Any:
    if kind.startswith("tuple"):
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{label}: {key} must be a list of texts.")
        return tuple(texts)
    wanted: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    if not isinstance(value, wanted[kind]) or isinstance(value, bool):
        raise UsageError(f"{label}: {key} cannot be {value!r}.")
    return value
