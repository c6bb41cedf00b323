"""The parent's side of one decoding process: start it, feed it, time it, replace it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from flipad_ops.images.decoder import Decoded, DecodeJob
from flipad_ops.images.worker import decode_reply, pack

#: Seconds a fresh worker may take to import its modules, on top of the time for an image.
START_SECONDS = 60.0

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
        pixels = sum(c * h * w for c, h, w in job.shapes)
        self._longest_reply = pixels + 4096 * (1 + len(job.shapes))
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._fresh = True

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        """One result for each blob, in order; `died` tells of a worker that did not survive."""
        waiting = list(blobs)
        while waiting:
            pipe = self._pipe or self._start()
            try:
                pipe.send_bytes(pack(waiting))
            except _GONE:
                yield self._lost("The decoding process died.")
                waiting.pop(0)
                continue
            while waiting:
                try:
                    if not pipe.poll(self.seconds + (START_SECONDS if self._fresh else 0)):
                        yield self._lost(f"Decoding took over {self.seconds:g} s.")
                        waiting.pop(0)
                        break
                    reply = decode_reply(pipe.recv_bytes(self._longest_reply), self.job)
                except _GONE:
                    yield self._lost("The decoding process died on this image.")
                    waiting.pop(0)
                    break
                self._fresh = False
                waiting.pop(0)
                yield reply

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int | None:
        """The process id while one runs."""
        return None if self._process is None else self._process.pid

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # One image is one thread's work: more would only crowd the other workers.
            single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "flipad_ops.images.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **single},
            )
        self._pipe = Connection(ours.detach())
        self._pipe.send_bytes(self.job.to_json())
        self._fresh = True
        return self._pipe

    def _lost(self, why: str) -> Decoded:
        self.close()
        return Decoded((why,) * len(self.job.shapes), died=why)
