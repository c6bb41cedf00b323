"""When the registry is looked at; the looking is counted, not done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from flipad_ops.common.errors import UsageError
from registry_hooks import timer as module
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.reconcile import Reconciled
from registry_hooks.timer import ReconcileTimer


class Looks:
    """A running timer whose passes are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: FitQueue, every: float) -> None:
        self.count, self.failures = 0, 0
        self.stop = threading.Event()
        monkeypatch.setattr(module, "reconcile_once", self._look)
        monkeypatch.setattr(module, "_TICK", 0.01)
        monkeypatch.setattr(module, "SHORTEST", 0.0)
        self.timer = ReconcileTimer(work, HookSettings(reconcile_every=every), self.stop)

    def _look(self, *_: Any) -> Reconciled:
        self.count += 1
        if self.count <= self.failures:
            raise (UsageError("MLflow refused: away."), KeyError("odd"))[self.count % 2]
        return Reconciled()

    def run_until(self, reached: Callable[[], bool]) -> None:
        thread = threading.Thread(target=self.timer.run)
        thread.start()
        try:
            while not reached():
                time.sleep(0.01)
        finally:
            self.stop.set()
            thread.join()


def test_it_looks_at_the_start_and_when_woken_and_once_more(
    work: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECOND_LOOK", 0.05)
    looks = Looks(monkeypatch, work, every=3600)
    looks.run_until(lambda: looks.count == 1)
    looks.stop.clear()
    looks.timer.wake()
    looks.run_until(lambda: looks.count == 3)
    assert not looks.timer._due(time.monotonic())


def test_failures_do_not_end_it(work: FitQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, work, every=0.01)
    looks.failures = 4
    looks.run_until(lambda: looks.count > 6)
