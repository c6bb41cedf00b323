"""Invert the images of a fit chunk by chunk, and tell how far it has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from flipad_ops.attribution.activation_file import ActivationFile
from flipad_ops.detection.recovered import chunk_size
from flipad_ops.inversion import Inverter

#: Called with (stage, done, total); total 0 means "no count".
Progress = Callable[[str, int, int], None]
#: Images inverted at once at most, and the bytes of their activations.
INVERT_CHUNK, INVERT_BYTES = 64, 2**26


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


@dataclass(eq=False)
class Clock:
    """Announces stages and keeps the seconds that each took."""

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Around the work of one stage."""
        self.progress(name, 0, 0)
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


class Inversions:
    """Inverts tensors chunk by chunk, counting what is done and what did not converge."""

    def __init__(
        self,
        inverter: Inverter,
        shape: tuple[int, ...],
        progress: Progress,
        step: float | Tensor = 1 / 255,
    ) -> None:
        self.inverter, self.shape, self.progress = inverter, shape, progress
        self.step = step
        self.stage, self.at, self.total = "invert", 0, 0
        self.done, self.unconverged = 0, 0

    def begin(self, stage: str, total: int) -> None:
        """What follows is reported as so many images of this stage; of none, not at all."""
        self.stage, self.at, self.total = stage, 0, total

    def stream(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Activations, on the CPU, and their images, a few at a time."""
        one = self.inverter.activation_shape
        together = max(1, min(INVERT_CHUNK, INVERT_BYTES // (4 * math.prod(one))))
        for chunk in torch.split(images, together):
            result = self.inverter.invert(chunk.reshape(len(chunk), *self.shape), self.step)
            self.done += len(chunk)
            self.unconverged += int((~result.converged).sum())
            self._report(len(chunk))
            few = chunk_size(one)
            yield from zip(torch.split(result.z.cpu(), few), torch.split(chunk, few), strict=True)

    def recover(self, images: Tensor) -> ActivationFile:
        """Activations of all images, at least one."""
        file = ActivationFile(len(images), self.inverter.activation_shape)
        for activations, _ in self.stream(images):
            file.append(activations)
        return file

    def skip(self, count: int) -> None:
        """Images that need no inversion."""
        self._report(count)

    @property
    def share_unconverged(self) -> float:
        """Of the images that were inverted."""
        return self.unconverged / max(self.done, 1)

    def _report(self, count: int) -> None:
        self.at += count
        if self.total:
            self.progress(self.stage, self.at, self.total)
