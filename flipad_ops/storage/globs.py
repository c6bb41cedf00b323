"""Globs over object keys: `*` stays within a folder, `**` crosses folders."""

from __future__ import annotations

import re
from collections.abc import Iterable


def compile_globs(patterns: Iterable[str]) -> list[re.Pattern[str]]:
    """Patterns as regular expressions to `fullmatch` with a key.

    A pattern without a slash is matched against the last part of the key, as in .gitignore.
    """
    return [re.compile(_expression(pattern), re.DOTALL) for pattern in patterns]


def matches(key: str, compiled: Iterable[re.Pattern[str]]) -> bool:
    """Whether any pattern matches the whole key."""
    return any(pattern.fullmatch(key) for pattern in compiled)


def _expression(pattern: str) -> str:
    text = pattern.lstrip("/")
    out = "" if "/" in text else "(?:.*/)?"
    index = 0
    while index < len(text):
        if text.startswith("**/", index):
            out, index = out + "(?:.*/)?", index + 3
        elif text.startswith("**", index):
            out, index = out + ".*", index + 2
        elif text[index] == "*":
            out, index = out + "[^/]*", index + 1
        elif text[index] == "?":
            out, index = out + "[^/]", index + 1
        elif text[index] == "[" and "]" in text[index + 2 :]:
            end = text.index("]", index + 2)
            inside = text[index + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            inside = "^" + inside[1:] if inside[0] == "!" else inside.replace("^", "\\^", 1)
            out, index = out + f"[{inside}]", end + 1
        else:
            out, index = out + re.escape(text[index]), index + 1
    return out
