"""An end for work that may never come to one: first an error, then the process.

The error is raised in the main thread between two steps of Python, so that whoever cleans up on
errors does. Code that never comes back to Python (one endless operation of onnxruntime) cannot be
interrupted: after `GRACE` seconds a second thread writes the sentence and ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flipad_ops.common.errors import TookTooLong

#: Seconds that the main thread has to end by itself, and the last words to be said.
GRACE = 5.0
LastWords = Callable[[TookTooLong], None]

_last_words: list[LastWords] = []


@contextmanager
def time_limit(seconds: float | None, what: str, exit_code: int) -> Iterator[None]:
    """Let the block take `seconds`; None is no limit. For the main thread of a program.

    Parameters
    ----------
    what : str
        What took too long, for the sentence.
    exit_code : int
        Of the process, where it has to be ended.

    Raises
    ------
    TookTooLong
    """
    if seconds is None:
        yield
        return
    error = TookTooLong(
        f"{what} took longer than {seconds:g} s and was stopped: a longer --time-limit may let it "
        "end, unless the model never does."
    )

    fired, ended = threading.Event(), threading.Event()

    def raise_it(number: int, frame: object) -> None:
        fired.set()
        raise error

    def watch() -> None:
        if ended.wait(seconds + GRACE):
            return
        speaker = threading.Thread(target=_say, args=(error,), daemon=True)
        speaker.start()
        speaker.join(GRACE)
        sys.stderr.write(f"flipadops: {error}\n")
        sys.stderr.flush()
        os._exit(exit_code)

    before = signal.signal(signal.SIGALRM, raise_it)
    threading.Thread(target=watch, daemon=True).start()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except Exception as caught:
        # Libraries wrap what is raised within their calls; it is still the time that ran out.
        if fired.is_set() and caught is not error:
            raise error from caught
        raise
    finally:
        ended.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def last_words(words: LastWords) -> Iterator[None]:
    """Call `words` before the process is ended within this block; it has `GRACE` seconds."""
    _last_words.append(words)
    try:
        yield
    finally:
        _last_words.remove(words)


def _say(error: TookTooLong) -> None:
    for words in reversed(_last_words):
        with suppress(Exception):  # nobody is left to hear of it
            words(error)
