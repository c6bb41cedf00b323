"""One process for one job: started, watched under the job's lease, and ended when it must be."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.tracing import child
from registry_hooks.jobs import J, JobQueue
from registry_hooks.signature import SECRET, SECRET_FILE

#: Seconds between two looks at a running process.
LOOK = 0.2
#: Why a process was ended; "" when it ended by itself.
STOPPED, OVERTIME, LOST = "stopped", "overtime", "lost"
T = TypeVar("T")


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """The hooks' log of one job: its name before each line, its fields beside it."""

    def __init__(self, name: str, **fields: Any) -> None:
        super().__init__(logging.getLogger("flipad.hooks"), fields)
        self._name = name.replace("%", "%%")

    def process(self, msg: Any, kwargs: Any) -> tuple[str, Any]:
        """As logging asks for it."""
        return f"{self._name}: {msg}", {**kwargs, "extra": self.extra}


class Child:
    """A process at the head of a group of its own; whoever starts one calls `stop` or `wait`.

    Parameters
    ----------
    log : Path
        Where its output goes.
    folder : str
        Its working folder; empty for ours.
    order : bytes
        What it reads on stdin. The pipe stays open: its end tells the child that we are gone.
    grace : float
        Seconds between the request to stop and the kill.
    ask : {SIGINT, SIGTERM}
        The request: SIGINT to the whole group, as at a terminal, or SIGTERM to its head.

    Raises
    ------
    OSError
        No log file or no process can be made.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        grace: float,
        folder: str = "",
        order: bytes = b"",
        ask: signal.Signals = signal.SIGINT,
    ) -> None:
        self.log, self._grace, self._ask = log, grace, ask
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                cwd=folder or None,
            )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(order)
            self._stdin.flush()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, grace: float | None = None) -> None:
        """Ask it to end; kill what is left of its group after `grace` seconds."""
        grace = self._grace if grace is None else grace
        if self._ask == signal.SIGTERM:
            self._process.send_signal(self._ask)
        else:
            self._signal(self._ask)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Its exit code; nothing that it started is left then."""
        code = self._process.wait()
        self._signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._stdin.close()
        return code

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def attend(
    queue: JobQueue[J],
    job: J,
    child: Child,
    stop: threading.Event,
    time_limit: float,
    log: JobLog,
) -> str:
    """Keep the lease until the process has ended; why it was ended before, "" if it was not."""
    began = beat = time.monotonic()
    while child.poll() is None:
        if stop.wait(LOOK):
            child.stop()
            return STOPPED
        now = time.monotonic()
        if now - began > time_limit:
            child.stop()
            return OVERTIME
        if now - beat > queue.lease / 3:
            held: bool | None = None
            try:
                held = queue.heartbeat(job)
            except SQLAlchemyError as error:
                log.warning("no heartbeat: %s", type(error).__name__)
            if held:
                beat = now
            # Without an answer, the lease may run out unseen: stop while it is still ours.
            elif held is False or now - beat > queue.lease * 0.8:
                child.stop(grace=0.0)
                log.warning("lost to another worker")
                return LOST
    return ""


def settle(write: Callable[[], T], log: JobLog) -> T | None:
    """Write an outcome, with pauses while the database is away; None if it stayed away.

    Then the lease runs out, and the job counts as lost.
    """
    for pause in (1.0, 5.0, 15.0, 0.0):
        try:
            return write()
        except SQLAlchemyError as error:
            log.warning("outcome not written: %s", type(error).__name__)
            time.sleep(pause)
    return None


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment and `more`, without the webhook's secret.

    A fit loads what others registered and a scan reads what others uploaded; neither has a use
    for what deliveries are signed with. A trace goes on there.
    """
    return {k: v for k, v in os.environ.items() if k not in (SECRET, SECRET_FILE)} | child() | more
