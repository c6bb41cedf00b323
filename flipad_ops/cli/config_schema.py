"""The JSON schema of flipadops.toml, from the classes that check it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from flipad_ops.cli.scan_config import ScanTable
from flipad_ops.common.config_file import TABLES


def config_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the whole file; no other table or key is allowed in it."""
    from registry_hooks.channels import Channel
    from registry_hooks.hook_settings import HookSettings
    from registry_hooks.schedules import Schedule

    scan, hooks, schedule, notify = map(_table, (ScanTable, HookSettings, Schedule, Channel))
    tables = {
        "scan": scan,
        "profile": {"type": "object", "additionalProperties": scan},
        "hooks": hooks,
        "schedule": {"type": "array", "items": schedule},
        "notify": {"type": "array", "items": notify},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flipadops.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: tables[name] for name in TABLES},
    }


def _table(kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = _without_null(TypeAdapter(kind).json_schema())
    found["properties"].pop("root", None)  # ours, no key
    found.pop("title", None)
    found.pop("description", None)
    return found


def _without_null(part: Any) -> Any:
    """A schema in which nothing is null: TOML has no such value."""
    if isinstance(part, list):
        return [_without_null(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {key: _without_null(value) for key, value in part.items() if value is not None}
    if "anyOf" in part:
        choices = [each for each in part.pop("anyOf") if each != {"type": "null"}]
        part |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    return part
