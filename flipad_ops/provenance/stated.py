"""What a file says of its own making, as few short plain texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

#: Texts of one kind that are kept, and characters of each.
MOST, LONGEST = 8, 160
#: A checkpoint's hash: hex digits of SHA-256, ten (AutoV2) or more.
_HASH = re.compile(r"[0-9a-f]{10,64}")


@dataclass(frozen=True)
class Stated:
    """Claims of a file, none of them checked but for C2PA's signature.

    Parameters
    ----------
    software : tuple of str
        Programs that it names.
    models : tuple of str
        Checkpoints by file name.
    hashes : tuple of str
        Checkpoints by the first ten or more hex digits of their SHA-256.
    source_type : str
        IPTC's digital source type, the last part of its URI, e.g. "trainedAlgorithmicMedia".
    c2pa : str
        Who made and signed its C2PA manifest, and whether that is valid.
    troubles : tuple of str
        Sentences about blocks that cannot be read.
    """

    software: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    source_type: str = ""
    c2pa: str = ""
    troubles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is empty is left out."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items() if v}

    @classmethod
    def from_dict(cls, stored: Any) -> Stated:
        """The inverse of `to_dict`.

        Raises
        ------
        ValueError
            It is not what `to_dict` gives.
        """
        if not isinstance(stored, Mapping):
            raise ValueError("What a file says is no mapping.")
        if not stored:  # most files say nothing
            return NOTHING
        found: dict[str, Any] = {}
        for each in fields(cls):
            value = stored.get(each.name, each.default)
            if isinstance(each.default, str) and isinstance(value, str):
                found[each.name] = plain(value)
            elif isinstance(each.default, tuple) and isinstance(value, list | tuple):
                found[each.name] = kept(value)
            else:
                raise ValueError(f"{each.name} is of another kind.")
        return cls(**found)

    def said(self) -> str:
        """One line for people."""
        parts = [
            ("software ", ", ".join(self.software)),
            ("checkpoint ", ", ".join((*self.models, *self.hashes))),
            ("source type ", self.source_type),
            ("C2PA: ", self.c2pa),
            ("", " ".join(self.troubles)),
        ]
        return "; ".join(head + text for head, text in parts if text)

    def names(self, checkpoints: Iterable[str]) -> str:
        """The first of its hashes that begins one of these SHA-256 (hex); "" if none does."""
        known = tuple(checkpoints)
        found = (h for h in self.hashes if any(each.startswith(h) for each in known))
        return next(found, "")


NOTHING = Stated()


@dataclass
class Gathered:
    """A `Stated` while it is being read."""

    software: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    source_type: str = ""
    c2pa: str = ""
    troubles: list[str] = field(default_factory=list)

    def hashed(self, text: str) -> None:
        """Note a checkpoint's hash, if it is one."""
        if _HASH.fullmatch(digits := text.strip().lower().removeprefix("0x")):
            self.hashes.append(digits)

    def source(self, uri: str) -> None:
        """Note a digital source type."""
        self.source_type = self.source_type or uri.strip().rstrip("/").rpartition("/")[2]

    def done(self) -> Stated:
        """What was gathered, cut to what is kept."""
        if not any(vars(self).values()):
            return NOTHING
        several = {k: kept(v) for k, v in vars(self).items() if isinstance(v, list)}
        return Stated(**several, source_type=plain(self.source_type), c2pa=plain(self.c2pa))


def plain(text: str) -> str:
    """One short line of printable characters."""
    words = " ".join(text[: 8 * LONGEST].split())
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def kept(texts: Iterable[Any]) -> tuple[str, ...]:
    """The first few different ones; a ValueError for what is no text."""
    found = dict[str, None]()
    for text in texts:
        if not isinstance(text, str):
            raise ValueError("A list of texts holds something else.")
        if len(found) < MOST and (short := plain(text)):
            found[short] = None
    return tuple(found)
