"""The parent's side of one decoding process: start it, feed it, time it, replace it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from flipad_ops.common.child_process import bare_environment
from flipad_ops.samples.decoder import Decoded, DecodeJob
from flipad_ops.samples.decoding_channel import Channel
from flipad_ops.samples.decoding_worker import decode_reply, pack

#: Seconds a fresh worker may take to import its modules, on top of the time for an image.
START_SECONDS = 60.0
#: What a decoding process runs.
WORKER = "flipad_ops.samples.decoding_worker"

_GONE = (EOFError, BrokenPipeError, ConnectionResetError, OSError, ValueError)


class WorkerDecoder:
    """Decodes in a process of its own, which is replaced when it dies or hangs.

    Parameters
    ----------
    job : DecodeJob
    seconds : float
        Time limit for one image.
    """

    def __init__(self, job: DecodeJob, seconds: float = 20.0) -> None:
        self.job, self.seconds = job, seconds
        values = sum(space.nbytes for space in job.spaces)
        # Reasons, and what the file says of itself, as JSON.
        self._longest_reply = values + 4096 * (32 + len(job.spaces))
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._closed, self._changing = False, threading.Lock()

    def start(self) -> None:
        """Start the process ahead of the first image, so that it imports meanwhile."""
        if self._channel is None:
            self._start()

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        """One result for each blob, in order; `died` tells of a worker that did not survive.

        Raises
        ------
        RuntimeError
            `close` was called, perhaps by another thread meanwhile.
        """
        waiting = list(blobs)
        while waiting:
            channel = self._channel or self._start()
            try:
                channel.send(pack(waiting))
            except _GONE:
                yield self._lost("The decoding process died.")
                waiting.pop(0)
                continue
            while waiting:
                try:
                    reply = decode_reply(channel.receive(self._longest_reply), self.job)
                except TimeoutError:
                    yield self._lost(f"Decoding took over {self.seconds:g} s.")
                    waiting.pop(0)
                    break
                except _GONE:
                    yield self._lost("The decoding process died on this image.")
                    waiting.pop(0)
                    break
                channel.patience(self.seconds)
                waiting.pop(0)
                yield reply

    def close(self) -> None:
        """End the process and start no other; any thread may call this, and more than once."""
        with self._changing:
            self._closed = True
            self._end()

    @property
    def pid(self) -> int | None:
        """The process id while one runs."""
        return None if self._process is None else self._process.pid

    def _start(self) -> Channel:
        ours, theirs = socket.socketpair()
        with theirs, self._changing:
            if self._closed:
                ours.close()
                raise RuntimeError("The decoder is closed.")
            # One image is one thread's work: more would only crowd the other workers.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", WORKER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=bare_environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
            )
            self._channel = channel = Channel(ours)
        channel.patience(self.seconds + START_SECONDS)
        channel.send(self.job.to_json())
        return channel

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _lost(self, why: str) -> Decoded:
        with self._changing:
            self._end()
        return Decoded((why,) * len(self.job.spaces), died=why)
