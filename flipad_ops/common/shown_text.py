"""Text for people's terminals: names, keys and messages come from others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TextIO

#: What moves a terminal's cursor, or turns or hides text; the line end and the tab are ours.
_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_ANY = re.compile(f"[{_UNSEEN}]")


def printable(text: str) -> str:
    """One name or key: whatever is no plain sign is shown escaped, not sent to the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def visible(text: str) -> str:
    """Lines of text, whose ends stay."""
    return _ANY.sub(lambda found: repr(found[0])[1:-1], text)


class VisibleText:
    """A stream that shows control characters instead of sending them; else as the one it wraps."""

    def __init__(self, raw: TextIO) -> None:
        self._raw = raw

    @property
    def raw_text(self) -> TextIO:
        """The stream itself, for the colours that we send."""
        return self._raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def write(self, text: str) -> int:
        """Take text."""
        self._raw.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take several texts."""
        for line in lines:
            self.write(line)
