"""Claims fits, runs each in a process of its own, writes the outcome."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.child_process import python_module
from flipad_ops.common.tracing import span
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.reconcile import DELETED
from registry_hooks.schema import DONE, FAILED, SKIPPED, Fit
from registry_hooks.supervisor import (
    LOST,
    OVERTIME,
    STOPPED,
    Child,
    JobLog,
    attend,
    child_environment,
    settle,
)

logger = logging.getLogger("flipad.hooks")

#: Another try gives the same answer until the model, its tags or the settings change.
PERMANENT = frozenset(
    {
        "NotAttributable",
        "PickleRefused",
        "LatentUnknown",
        "NegativesTooFew",
        "GateFailed",
        "WeakFit",
        "DataError",
        "GeneratorTooLarge",
        "UsageError",
    }
)
#: Seconds between the request to stop and the kill: a fit leaves its reason in the registry.
GRACE = 15.0
ENTRY = python_module("registry_hooks.fit_entry")
#: Logs of fits that are kept, and how often that is looked at.
KEEP_DAYS, MOST_LOGS, PRUNE_EVERY = 90, 10_000, 3600.0
_pruned = float("-inf")


@dataclass(frozen=True)
class FitEnd:
    """How a fit ended: with an attributor, or with an error of a kind."""

    attributor: str | None = None
    kind: str | None = None
    message: str | None = None
    figures: dict[str, Any] | None = None


class FitProcess(Child):
    """A running fit, with its log and its outcome in files."""

    def __init__(self, settings: HookSettings, fit: Fit, command: Sequence[str] = ENTRY) -> None:
        """Start it.

        Raises
        ------
        OSError
            No log file or no process can be made.
        """
        folder = Path(settings.logs).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{quote(fit.model, safe='')}-v{fit.version}-{uuid.uuid4().hex[:8]}"
        self._result = folder / f"{stem}.json"
        order = {"settings": asdict(settings), "uri": fit.uri, "result": str(self._result)}
        super().__init__(
            command,
            folder / f"{stem}.log",
            child_environment(),
            folder=settings.root,
            order=json.dumps(order).encode() + b"\n",
            # No heartbeat is sent meanwhile.
            grace=min(GRACE, settings.lease / 2),
        )

    def wait(self) -> int:
        """Its exit code; its outcome is read before, by `end`."""
        code = super().wait()
        self._result.unlink(missing_ok=True)
        return code

    def end(self) -> FitEnd:
        """What a fit that has exited left behind."""
        self._process.wait()
        found: dict[str, Any] = {}
        with contextlib.suppress(OSError, json.JSONDecodeError):
            found = json.loads(self._result.read_text(encoding="utf-8"))
        code = self.wait()
        if "attributor" in found:
            return FitEnd(attributor=found["attributor"], figures=found.get("figures"))
        if "error" in found:
            figures = found.get("figures")
            return FitEnd(kind=found["error"], message=found["message"], figures=figures)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return FitEnd(kind="Crashed", message=f"The fit's process ended by {how}, see its log.")


class FitWorker:
    """One fit at a time; several workers share a queue.

    Parameters
    ----------
    stop : threading.Event
        Set it to stop: a running fit is interrupted and its job given back untried.
    """

    def __init__(
        self,
        queue: FitQueue,
        settings: HookSettings,
        stop: threading.Event,
        start: Callable[[HookSettings, Fit], FitProcess] = FitProcess,
    ) -> None:
        self._queue, self._settings, self._stop, self._start = queue, settings, stop, start
        self._config = settings.config_sha256()
        self.name = f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}"

    def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        while not self._stop.is_set():
            try:
                worked = self.step()
            except SQLAlchemyError as error:
                logger.warning("The work table does not answer: %s", type(error).__name__)
                worked = False
            _prune(Path(self._settings.logs))
            if not worked:
                self._stop.wait(self._settings.poll)

    def step(self) -> bool:
        """Claim and settle one fit; False when nothing is due."""
        fit = self._queue.claim(self.name, self._config)
        if fit is None:
            return False
        with span("work", model=fit.model, version=str(fit.version), attempt=fit.attempts):
            self._work(fit)
        return True

    def _work(self, fit: Fit) -> None:
        log = JobLog(fit.uri, model=fit.model, version=fit.version)
        log.info("attempt %d", fit.attempts)
        try:
            process = self._start(self._settings, fit)
        except OSError as error:
            state = self._queue.retry(fit, f"The fit could not be started: {error}.", "OSError")
            log.warning("%s, cannot be started: %s", state, error)
            return
        limit = self._settings.time_limit
        try:
            self._queue.note(fit, log=str(process.log))
            why = attend(self._queue, fit, process, self._stop, limit, log)
        finally:
            if process.poll() is None:
                process.stop()
        if why == LOST:
            return
        if why == STOPPED:
            settle(lambda: self._queue.release(fit), log)
            log.info("stopped, given back")
            return
        if why == OVERTIME:
            end = FitEnd(kind="TimeLimit", message=f"The fit took longer than {limit:g} s.")
        else:
            end = process.end()
        if written := settle(lambda: self._write(fit, end), log):
            log.info("%s %s", written, end.attributor or end.message)

    def _write(self, fit: Fit, end: FitEnd) -> str:
        if end.attributor is not None:
            self._queue.finish(fit, DONE, attributor=end.attributor, figures=end.figures)
            return DONE
        reason = end.message or "No reason was left."
        if end.kind == "GeneratorNotFound":
            self._queue.finish(fit, SKIPPED, reason=DELETED, error=end.kind)
            return SKIPPED
        if end.kind in PERMANENT:
            self._queue.finish(fit, FAILED, reason=reason, error=end.kind, figures=end.figures)
            return FAILED
        return self._queue.retry(fit, reason, end.kind)


def _prune(logs: Path) -> None:
    """Forget old logs of fits, once in a while."""
    global _pruned
    if time.monotonic() - _pruned < PRUNE_EVERY:
        return
    _pruned = time.monotonic()
    with contextlib.suppress(OSError):
        found = [(path.stat().st_mtime, path) for path in logs.glob("*.log")]
        oldest = time.time() - KEEP_DAYS * 86_400
        for place, (at, path) in enumerate(sorted(found, reverse=True)):
            if at < oldest or place >= MOST_LOGS:
                path.unlink(missing_ok=True)
