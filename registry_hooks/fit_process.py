"""One fit in a process group of its own, with its log in a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from registry_hooks.child import child_environment
from registry_hooks.settings import HookSettings
from registry_hooks.table import Work

#: Seconds between the request to stop and the kill: a fit leaves its reason in the registry.
GRACE = 15.0
ENTRY = (sys.executable, "-m", "registry_hooks.fit_entry")


@dataclass(frozen=True)
class FitEnd:
    """How a fit ended: with an attributor, or with an error of a kind."""

    attributor: str | None = None
    kind: str | None = None
    message: str | None = None


class FitProcess:
    """A running fit; whoever starts one calls `stop` or waits for `poll`."""

    def __init__(self, settings: HookSettings, work: Work, command: Sequence[str] = ENTRY) -> None:
        """Start it.

        Raises
        ------
        OSError
            No log file or no process can be made.
        """
        folder = Path(settings.logs).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{quote(work.model, safe='')}-v{work.version}-{uuid.uuid4().hex[:8]}"
        self.log = folder / f"{stem}.log"
        self._result = folder / f"{stem}.json"
        order = {"settings": asdict(settings), "uri": work.uri, "result": str(self._result)}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=child_environment(),
            )
        self.pid, self._lease = self._process.pid, settings.lease
        assert self._process.stdin is not None
        # The pipe stays open: its end tells the child that we are gone.
        self._stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(json.dumps(order).encode() + b"\n")
            self._stdin.flush()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, grace: float | None = None) -> None:
        """Interrupt the group; kill what is left of it after `grace` seconds."""
        if grace is None:
            # No heartbeat is sent meanwhile.
            grace = min(GRACE, self._lease / 2)
        self._signal(signal.SIGINT)
        end = time.monotonic() + grace
        while self._process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def end(self) -> FitEnd:
        """What a fit that has exited left behind."""
        code = self._process.wait()
        self._signal(signal.SIGKILL)  # what it may have started
        found: dict[str, Any] = {}
        with contextlib.suppress(OSError, json.JSONDecodeError):
            found = json.loads(self._result.read_text(encoding="utf-8"))
        self._close()
        if "attributor" in found:
            return FitEnd(attributor=found["attributor"])
        if "error" in found:
            return FitEnd(kind=found["error"], message=found["message"])
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return FitEnd(kind="Crashed", message=f"The fit's process ended by {how}, see its log.")

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._result.unlink(missing_ok=True)
