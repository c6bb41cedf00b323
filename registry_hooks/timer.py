"""Reconciles at the start, on a timer, and when woken; outlives a registry that is away."""

from __future__ import annotations

import logging
import math
import random
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.errors import FlipadError
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.reconcile import Reconciled, reconcile

logger = logging.getLogger("flipad.hooks")

#: An MLflow server forgets for up to 60 s that a webhook was created (MLFLOW_WEBHOOK_CACHE_TTL):
#: what is registered meanwhile is found by a second look.
SECOND_LOOK = 75.0
#: A busy receiver wakes it often; the registry is not asked more often than this.
SHORTEST = 2.0
_TICK = 0.5


class ReconcileTimer:
    """Call `run` in a thread, `wake` from anywhere."""

    def __init__(self, queue: FitQueue, settings: HookSettings, stop: threading.Event) -> None:
        self._queue, self._settings, self._stop = queue, settings, stop
        self._lock = threading.Lock()
        #: When to look next: on the timer, and because of `wake` (now, and once more later).
        self._regular = time.monotonic()
        self._asked = self._again = math.inf

    def wake(self) -> None:
        """Look soon, and once more when the server's cache has surely caught up."""
        with self._lock:
            self._asked = time.monotonic()
            self._again = self._asked + SECOND_LOOK

    def run(self) -> None:
        """Until stopped."""
        last = -math.inf
        while not self._stop.is_set():
            now = time.monotonic()
            if now - last >= SHORTEST and self._due(now):
                last = now
                self._pass()
            self._stop.wait(_TICK)

    def _due(self, now: float) -> bool:
        with self._lock:
            if min(self._regular, self._asked, self._again) > now:
                return False
            if self._again <= now:
                self._again = math.inf
            self._asked = math.inf
            # Spread, or several services would ask in step.
            self._regular = now + self._settings.reconcile_every * random.uniform(0.9, 1.1)
            return True

    def _pass(self) -> None:
        try:
            found = reconcile_once(self._queue, self._settings)
        except (FlipadError, SQLAlchemyError, OSError) as error:
            text = str(error) if isinstance(error, FlipadError) else type(error).__name__
            logger.warning("Reconciling failed, to be tried again: %s", text)
        except Exception:  # a reply of the registry that nobody thought of must not end the thread
            logger.exception("Reconciling failed, to be tried again.")
        else:
            logger.info("Reconciled: %s", found.text())


def reconcile_once(queue: FitQueue, settings: HookSettings) -> Reconciled:
    """One pass against the settings' registry.

    Raises
    ------
    UsageError
    """
    from mlflow import MlflowClient

    from flipad_ops.registry.store import registry_errors

    with registry_errors():
        client = MlflowClient(settings.registry)
    return reconcile(client, queue, settings)
