"""Scorers that do to a Ray worker what a bad day does; they travel there, so they stand here."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch, Scorer
from tests.scanning.fakes import DarkIsOurs

#: Brighter images end the process that scores them.
DEADLY = 0.95


@dataclass(frozen=True)
class Load:
    """A loader of one `Mortal`.

    Parameters
    ----------
    pause : float
        Seconds a batch takes.
    once : Path or None
        Who scores while it does not exist makes it, and dies.
    until : Path or None
        Nobody scores before it exists.
    meet : Path or None
        Folder in which two workers sign before either starts.
    side : int
        Of the images.
    """

    pause: float = 0.0
    once: Path | None = None
    until: Path | None = None
    meet: Path | None = None
    side: int = 8

    def __call__(self, device: str) -> list[Scorer]:
        if self.meet is not None:
            (self.meet / str(os.getpid())).touch()
            while len(list(self.meet.iterdir())) < 2:
                time.sleep(0.05)
        return [Mortal(self)]


def stillborn(device: str) -> list[Scorer]:
    """A loader that no worker survives."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


class Mortal(DarkIsOurs):
    """Scores as it was told by its loader."""

    def __init__(self, told: Load) -> None:
        super().__init__((3, told.side, told.side))
        self.told = told

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        while self.told.until is not None and not self.told.until.exists():
            time.sleep(0.05)
        time.sleep(self.told.pause)
        if bool((pixels.mean(dim=(1, 2, 3)) > DEADLY).any()) or self._first():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(pixels, residual)

    def _first(self) -> bool:
        if self.told.once is None:
            return False
        try:
            self.told.once.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
