"""Claims work, fits in a process of its own, keeps the lease, writes the outcome."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.tracing import span
from registry_hooks.fit_process import FitEnd, FitProcess
from registry_hooks.reconcile import DELETED
from registry_hooks.records import DONE, FAILED, SKIPPED
from registry_hooks.settings import HookSettings
from registry_hooks.table import Work, WorkTable

logger = logging.getLogger("flipad.hooks")

#: Another try gives the same answer until the model, its tags or the settings change.
PERMANENT = frozenset(
    {"NotAttributable", "PickleRefused", "LatentUnknown", "NegativesTooFew", "GateFailed"}
)
#: Seconds between two looks at the running fit.
LOOK = 0.2


class Fit(Protocol):
    """What a worker asks of a running fit."""

    @property
    def log(self) -> object:
        """Where its output goes."""

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""

    def stop(self, grace: float | None = None) -> None:
        """End it; after `grace` seconds by force."""

    def end(self) -> FitEnd:
        """What it left behind, once it has exited."""


class Worker:
    """One fit at a time; several workers share a table.

    Parameters
    ----------
    stop : threading.Event
        Set it to stop: a running fit is interrupted and its work given back untried.
    """

    def __init__(
        self,
        table: WorkTable,
        settings: HookSettings,
        stop: threading.Event,
        start: Callable[[HookSettings, Work], Fit] = FitProcess,
    ) -> None:
        self._table, self._settings, self._stop, self._start = table, settings, stop, start
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
            if not worked:
                self._stop.wait(self._settings.poll)

    def step(self) -> bool:
        """Claim and settle one piece of work; False when nothing is due."""
        work = self._table.claim(self.name, self._config)
        if work is None:
            return False
        with span("work", model=work.model, version=str(work.version), attempt=work.attempts):
            self._work(work)
        return True

    def _work(self, work: Work) -> None:
        logger.info("%s: attempt %d", work.uri, work.attempts, extra=_about(work))
        try:
            fit = self._start(self._settings, work)
        except OSError as error:
            state = self._table.retry(work, f"The fit could not be started: {error}.", "OSError")
            logger.warning(
                "%s: %s, cannot be started: %s", work.uri, state, error, extra=_about(work)
            )
            return
        try:
            self._attend(work, fit)
        finally:
            if fit.poll() is None:
                fit.stop()

    def _attend(self, work: Work, fit: Fit) -> None:
        self._table.note_log(work, str(fit.log))
        started = beat = time.monotonic()
        while fit.poll() is None:
            if self._stop.wait(LOOK):
                fit.stop()
                self._table.release(work)
                logger.info("%s: stopped, given back", work.uri, extra=_about(work))
                return
            now = time.monotonic()
            if now - started > self._settings.time_limit:
                fit.stop()
                limit = f"The fit took longer than {self._settings.time_limit:g} s."
                self._settle(work, FitEnd(kind="TimeLimit", message=limit))
                return
            if now - beat > self._table.lease / 3:
                held = self._beat(work)
                if held:
                    beat = now
                # Without an answer, the lease may run out unseen: stop while it is still ours.
                elif held is False or now - beat > self._table.lease * 0.8:
                    fit.stop(grace=0.0)
                    logger.warning("%s: lost to another worker", work.uri, extra=_about(work))
                    return
        self._settle(work, fit.end())

    def _beat(self, work: Work) -> bool | None:
        try:
            return self._table.heartbeat(work)
        except SQLAlchemyError as error:
            logger.warning(
                "%s: no heartbeat: %s", work.uri, type(error).__name__, extra=_about(work)
            )
            return None

    def _settle(self, work: Work, end: FitEnd) -> None:
        # If the table stays away, the lease runs out, and the next fit finds its work done.
        for pause in (1.0, 5.0, 15.0, 0.0):
            try:
                state = self._write(work, end)
            except SQLAlchemyError as error:
                logger.warning(
                    "%s: outcome not written: %s",
                    work.uri,
                    type(error).__name__,
                    extra=_about(work),
                )
                self._stop.wait(pause)
            else:
                logger.info(
                    "%s: %s %s", work.uri, state, end.attributor or end.message, extra=_about(work)
                )
                return

    def _write(self, work: Work, end: FitEnd) -> str:
        if end.attributor is not None:
            self._table.finish(work, DONE, attributor=end.attributor)
            return DONE
        reason = end.message or "No reason was left."
        if end.kind == "GeneratorNotFound":
            self._table.finish(work, SKIPPED, reason=DELETED, kind=end.kind)
            return SKIPPED
        if end.kind in PERMANENT:
            self._table.finish(work, FAILED, reason=reason, kind=end.kind)
            return FAILED
        return self._table.retry(work, reason, end.kind)


def _about(work: Work) -> dict[str, object]:
    return {"model": work.model, "version": work.version}
