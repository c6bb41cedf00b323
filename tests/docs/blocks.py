"""Commands in the fenced blocks of a Markdown page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Programs whose lines count in blocks without prompt.
PROGRAMS = ("flipadops", "make")


def typed(text: str) -> list[str]:
    """Lines after "$ " in blocks, and in blocks without language those that start a program.

    Lines that end in a backslash go on.
    """
    found = []
    for language, block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            bare = not language and line.startswith(tuple(f"{name} " for name in PROGRAMS))
            if line.startswith("$ ") or bare:
                found.append(line.removeprefix("$ "))
    return found


def calls(line: str) -> Iterator[list[str]]:
    """The simple commands of a line, without comments, prompt variables or redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip("|&;"):
            words.append(word)
            continue
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words:
            yield words
        words = []
