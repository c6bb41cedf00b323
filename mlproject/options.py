"""Parameters of `mlflow run` are text of no checked type: read them here, in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from flipad_ops.common.errors import FlipadError, UsageError
from flipad_ops.common.exit_codes import exit_code


def items(text: str) -> tuple[str, ...]:
    """Comma-separated values, blanks dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def flag(name: str, text: str) -> bool:
    """true or false; a UsageError names the parameter."""
    value = text.strip().lower()
    if value not in {"true", "false"}:
        raise UsageError(f"Parameter {name} must be true or false, not {text!r}.")
    return value == "true"


def whole(name: str, text: str) -> int:
    """A whole number; `mlflow run` may hand 0 over as 0.0."""
    try:
        value = float(text)
        if value != int(value):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise UsageError(f"Parameter {name} must be a whole number, not {text!r}.") from error
    return int(value)


def run(main: Callable[[], int]) -> None:
    """Exit with `main`'s code; a deliberate error is one sentence on stderr."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        code = main()
    except FlipadError as error:
        sys.stderr.write(f"flipadops: {error}\n")
        code = exit_code(error)
    sys.exit(code)
