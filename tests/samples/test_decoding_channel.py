"""Messages arrive whole and in order; silence, hanging up and overlong messages are told apart."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from flipad_ops.samples.decoding_channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    both = Channel(ours), Channel(theirs)
    yield both
    for end in both:
        end.close()


def test_messages_of_every_size_keep_their_bounds(ends: tuple[Channel, Channel]) -> None:
    messages = [b"", b"a", b"b" * 70_000, b"c" * 3_000_000, b"d"]
    sender = threading.Thread(target=lambda: [ends[0].send(m) for m in messages])
    sender.start()
    assert [ends[1].receive(4_000_000) for _ in messages] == messages
    sender.join()


def test_silence_is_a_timeout(ends: tuple[Channel, Channel]) -> None:
    ends[1].patience(0.05)
    with pytest.raises(TimeoutError):
        ends[1].receive(10)


def test_the_other_end_hangs_up_in_the_middle(ends: tuple[Channel, Channel]) -> None:
    ends[0]._socket.sendall(b"\x08\0\0\0\0\0\0\0half")
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive(10)
    with pytest.raises(BrokenPipeError):
        ends[1].send(b"x")


def test_an_overlong_message_is_refused_unread(ends: tuple[Channel, Channel]) -> None:
    ends[0].send(b"x" * 11)
    with pytest.raises(ValueError, match="11 bytes"):
        ends[1].receive(10)


def test_closing_wakes_a_reader_in_another_thread(ends: tuple[Channel, Channel]) -> None:
    ended: list[type[BaseException]] = []

    def read() -> None:
        try:
            ends[1].receive(10)
        except (EOFError, OSError, ValueError) as error:
            ended.append(type(error))

    reader = threading.Thread(target=read)
    reader.start()
    ends[1].close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(ended) == 1
