"""Colours and columns on a real terminal (a pty), and nothing of them in a file."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROWS = [
    ("verdict", "p", "key"),
    ("leak", "0.001", "uploads/2026/09/an-image-with-a-rather-long-name-" + "x" * 60 + ".png"),
    ("review", "0.02", "short.png"),
    ("clear", "0.5", "\x1b[31mred.png"),
]
PROGRAM = f"""
import sys
from flipad_ops.common.shown_text import VisibleText
from flipad_ops.common.terminal import ColorChoice, set_color, write_wrapped
from flipad_ops.common.text_columns import write_columns
sys.stdout = VisibleText(sys.stdout)
set_color(ColorChoice(sys.argv[1]))
write_columns({ROWS!r}, sys.stdout, "  ", {{"leak": "leak", "review": "review"}})
write_wrapped(sys.stdout, "LEAK: " + "word " * 40, "leak", lead=4)
"""


def on_terminal(columns: int, choice: str = "auto", **environment: str) -> str:
    """What a terminal of so many columns is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: at for name, at in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    given = {**kept, "TERM": "xterm", **environment}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, choice], stdout=theirs, stdin=theirs, env=given
    ) as child:
        os.close(theirs)
        sent = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # its other end is closed
                break
            sent += part
    os.close(ours)
    assert child.returncode == 0
    return sent.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    for code in ("1;31", "1;33", "2", "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return text


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_is_filled_and_not_overrun(columns: int) -> None:
    lines = plain(on_terminal(columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines[1]) == columns
    assert lines[1].endswith("xxx.png")
    assert "..." in lines[1]


def test_verdicts_have_colour_and_what_others_wrote_has_none() -> None:
    shown = on_terminal(80)
    assert "\x1b[1;31mleak\x1b[0m" in shown
    assert "\x1b[1;33mreview\x1b[0m" in shown
    assert "\x1b[1;31mLEAK\x1b[0m: word" in shown
    assert "\\x1b[31mred.png" in shown
    assert "\x1b" not in plain(shown)


@pytest.mark.parametrize(
    ("choice", "environment"),
    [("never", {}), ("auto", {"NO_COLOR": "1"}), ("auto", {"TERM": "dumb"})],
    ids=["never", "NO_COLOR", "dumb"],
)
def test_no_colour(choice: str, environment: dict[str, str]) -> None:
    assert "\x1b" not in on_terminal(80, choice, **environment)


@pytest.mark.parametrize(("choice", "colored"), [("auto", False), ("always", True)])
def test_a_pipe_has_whole_lines(choice: str, colored: bool, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, choice], capture_output=True, text=True, check=True
    )
    assert ROWS[1][2] in done.stdout
    assert ("\x1b[1;31m" in done.stdout) is colored
    assert "\x1b" not in plain(done.stdout)
