"""One row of a table as bytes, on its way from where tables are read to where samples are decoded.

Like an image's its bytes are hashed and cached; `row_values` believes nothing in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.common.errors import NotAnImage
from flipad_ops.common.untrusted_json import parse

#: No image begins like this.
_MAGIC = b"flipad-row\n"


def write_row(values: Mapping[str, Any]) -> bytes:
    """A row by column name; the same values give the same bytes."""
    return _MAGIC + json.dumps(dict(values), sort_keys=True, default=str).encode()


def is_row(data: bytes) -> bool:
    """Whether `write_row` wrote it."""
    return data.startswith(_MAGIC)


def row_values(data: bytes, names: Sequence[str]) -> NDArray[np.float64]:
    """The named values of a row, (names,).

    Raises
    ------
    NotAnImage
        A column is missing, empty or no finite number.
    """
    try:
        values = parse(data[len(_MAGIC) :])
    except ValueError as error:
        raise NotAnImage("Damaged row.") from error
    if not isinstance(values, dict):
        raise NotAnImage("Damaged row.")
    return np.array([_number(values.get(name), name) for name in names])


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise NotAnImage(f"Column {name!r} is {str(value)[:40]!r}, no finite number.")
    return number
