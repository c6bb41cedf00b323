"""The tables of flipadops.toml, checked by pydantic, refused in one sentence that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import BeforeValidator, ConfigDict, Field, StrictStr, ValidationError, WithJsonSchema

from flipad_ops.common.config_file import read_toml
from flipad_ops.common.errors import UsageError
from flipad_ops.common.near_names import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Of every table: no unknown key, no text for a number.
STRICT = ConfigDict(extra="forbid", strict=True)
#: A list of texts.
Texts = Annotated[tuple[StrictStr, ...], Field(strict=False)]
#: The same, or one text alone.
TextOrTexts = Annotated[
    Texts,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Above0 = Annotated[float, Field(gt=0)]
AtLeast0 = Annotated[float, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]

T = TypeVar("T")


def read_tables(path: Path | None, name: str, kind: type[T]) -> list[T]:
    """Every `[[name]]`, as a pydantic dataclass.

    Raises
    ------
    UsageError
        It is no list of tables, or one of them is wrong.
    """
    found = read_toml(path).get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(f"Write [[{name}]] for each {name} in {path}.")
    return [checked(f"[[{name}]] {each.get('name', '')}".rstrip(), kind, each) for each in found]


def checked(label: str, kind: type[T], table: Mapping[str, Any]) -> T:
    """One table as a pydantic dataclass.

    Raises
    ------
    UsageError
        The first thing that is wrong with it.
    """
    try:
        return kind(**table)
    except ValidationError as error:
        known = [each.name for each in fields(cast("type[DataclassInstance]", kind))]
        raise UsageError(_sentence(label, error, known)) from error


def _sentence(label: str, error: ValidationError, known: list[str]) -> str:
    found = error.errors(include_url=False)[0]
    key, value, limits = found["loc"][0], found["input"], found.get("ctx", {})
    match found["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            near = did_you_mean(str(key), (name for name in known if name != "root"))
            return f"{label} has an unknown key {key!r}{near}"
        case "missing" | "missing_argument":
            return f"{label} lacks {key}."
        case "greater_than":
            return f"{label} {key} must be above {limits['gt']:g}, not {value}."
        case "greater_than_equal":
            return f"{label} {key} must be at least {limits['ge']:g}, not {value}."
        case "less_than_equal":
            return f"{label} {key} must be at most {limits['le']:g}, not {value}."
        case "literal_error":
            return f"{label}: {key} is {limits['expected']}, not {value!r}.".replace("'", "")
        case "tuple_type" | "string_type" if found["loc"][1:] or found["type"] == "tuple_type":
            return f"{label} {key} must be a list of texts."
        case "bool_type":
            return f"{label} {key} is true or false."
        case _:
            return f"{label} {key} cannot be {value!r}."
