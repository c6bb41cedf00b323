"""Options and parameters that come as text of no checked type, read in one sentence."""

from __future__ import annotations

from flipad_ops.common.errors import UsageError


def items(text: str) -> tuple[str, ...]:
    """Comma-separated values, blanks dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def flag(name: str, text: str) -> bool:
    """true or false; a UsageError names the parameter."""
    value = text.strip().lower()
    if value not in {"true", "false"}:
        raise UsageError(f"Parameter {name} must be true or false, not {text!r}.")
    return value == "true"


def number(name: str, text: str) -> float:
    """A number; a UsageError names the parameter."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"Parameter {name} must be a number, not {text!r}.") from error


def whole(name: str, text: str) -> int:
    """A whole number; `mlflow run` may hand 0 over as 0.0."""
    try:
        value = float(text)
        if value != int(value):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise UsageError(f"Parameter {name} must be a whole number, not {text!r}.") from error
    return int(value)


def numbers(text: str, *, whole: bool, option: str) -> list[float]:
    """Comma-separated numbers; a UsageError names `option`."""
    try:
        return [int(part) if whole else float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a list of numbers such as 100,1,1.") from error
