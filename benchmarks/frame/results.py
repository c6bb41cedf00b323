"""Results as JSON, and the machine that they come from."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def machine() -> str:
    """Processor, CPUs and torch, in words."""
    return f"{platform.machine()}, {os.cpu_count()} CPUs, torch {version('torch')}"


def write_json(path: Path, result: Any, indent: int = 1) -> str:
    """Write, with the folder where it is missing; returns what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=indent) + "\n"
    path.write_text(text, encoding="utf-8")
    return text
