"""Scorers that do to a Ray worker what a bad day does; they travel there, so they stand here."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from flipad_ops.scanning.scorer import ScoreBatch, Scorer
from tests.scanning.fakes import DarkIsOurs

#: Brighter images end the process that scores them.
DEADLY = 0.95


class Mortal(DarkIsOurs):
    """Takes its time; dies once, in the middle of a batch, when `once` does not exist yet."""

    def __init__(self, pause: float = 0.0, once: Path | None = None) -> None:
        super().__init__()
        self.pause, self.once = pause, once

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        time.sleep(self.pause)
        if bool((pixels.mean(dim=(1, 2, 3)) > DEADLY).any()) or self._first():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(pixels, residual)

    def _first(self) -> bool:
        if self.once is None:
            return False
        try:
            self.once.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True)
class Load:
    """A loader of one `Mortal`."""

    pause: float = 0.0
    once: Path | None = None

    def __call__(self, device: str) -> list[Scorer]:
        return [Mortal(self.pause, self.once)]
