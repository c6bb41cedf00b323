"""Entry point: run the app, turn deliberate errors into one sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO, cast

from flipad_ops.common import log
from flipad_ops.common.child_process import settle_environment
from flipad_ops.common.exit_codes import INTERRUPTED, one_sentence
from flipad_ops.common.shown_text import VisibleText


def main() -> None:
    """Run `flipadops`; never returns."""
    settle_environment()
    log.from_environment(sys.argv[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names come from others, and need not fit a terminal's set.
        sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout = cast(TextIO, VisibleText(sys.stdout))
    from flipad_ops.cli.app import app

    try:
        with one_sentence():
            app()
    except KeyboardInterrupt:
        log.end("interrupted", INTERRUPTED)
        sys.exit(INTERRUPTED)
    except OSError as error:
        # What is left in stdout's buffer would fail again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # its reader went away (`| head`); leave quietly
            sys.exit(INTERRUPTED)
        raise


if __name__ == "__main__":
    main()
