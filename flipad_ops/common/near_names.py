"""A word that is not known, and the known one it may be meant for."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], end: str = ".") -> str:
    """The end of a sentence about an unknown word: `; did you mean 'models'?`, or `end` where
    nothing is near. Case counts for nothing."""
    names = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), names, n=1)
    return f"; did you mean {names[near[0]]!r}?" if near else end
