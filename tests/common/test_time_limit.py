"""The end of work that Python can interrupt; tests/bad_inputs has one that it cannot."""

from __future__ import annotations

import signal

import pytest

from flipad_ops.common.errors import TookTooLong
from flipad_ops.common.time_limit import last_words, time_limit


def _count(said: list[TookTooLong]) -> None:
    with time_limit(0.05, "Counting", 4), last_words(said.append):
        while True:
            pass


def test_work_without_end_is_interrupted_and_the_signal_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    said: list[TookTooLong] = []
    with pytest.raises(TookTooLong, match=r"Counting took longer than 0\.05 s"):
        _count(said)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert not said  # who can clean up needs none


def test_work_that_ends_in_time_or_has_no_limit() -> None:
    for seconds in (None, 60.0):
        with time_limit(seconds, "Nothing", 4):
            pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def _ask() -> None:
    with time_limit(0.05, "Asking", 4):
        try:
            while True:
                pass
        except TookTooLong as error:
            raise RuntimeError(f"The store failed: {error}") from error


def test_an_error_that_a_library_wraps_is_still_the_limit() -> None:
    with pytest.raises(TookTooLong, match="Asking took longer"):
        _ask()
