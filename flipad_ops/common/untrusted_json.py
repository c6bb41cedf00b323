"""JSON that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """Like `json.loads`; nesting too deep for the interpreter is a ValueError, too.

    Raises
    ------
    ValueError
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
