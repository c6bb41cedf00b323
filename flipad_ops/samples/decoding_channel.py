"""Messages of bytes over a socket: what a decoding process and its parent speak.

Like `multiprocessing.Connection.send_bytes`, but read through a buffer: a reply to a small image
costs one system call or none instead of five.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

_LENGTH = struct.Struct("<Q")


class Channel:
    """One end; used by one thread.

    Parameters
    ----------
    end : socket
        Closed with the channel.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket, self._stream = end, end.makefile("rb", buffering=1 << 16)

    def patience(self, seconds: float | None) -> None:
        """How long the other end may stay silent; None waits for ever."""
        if self._socket.gettimeout() != seconds:
            self._socket.settimeout(seconds)

    def send(self, message: bytes) -> None:
        """Raises OSError when the other end is gone, TimeoutError when it does not read."""
        self._socket.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self, longest: int) -> bytes:
        """The next message.

        Raises
        ------
        EOFError, OSError
            The other end is gone.
        TimeoutError
            It was silent for too long; the channel is of no use any more.
        ValueError
            The message is longer than `longest`.
        """
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > longest:
            raise ValueError(f"A message of {length} bytes.")
        return self._read(length)

    def close(self) -> None:
        """Hang up; a read that waits in another thread ends, and lets go of the buffer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        self._socket.close()

    def _read(self, count: int) -> bytes:
        data: bytes = self._stream.read(count)
        if len(data) < count:
            raise EOFError
        return data
