"""Searches for images as they are that end near the line begin again from there.

Own images among rich latents may sit in a local minimum. At full rate they leave it; others hardly
come nearer.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from flipad_ops.regeneration.trail import Trail
from flipad_ops.regeneration.witness_model import PLAIN, WitnessModel

#: dB from a judge's limit within which a search begins again; so many times at most.
NEAR, LAPS = 8.0, 2


class Searcher(Protocol):
    """What is needed of a `Regenerator`."""

    @property
    def model(self) -> WitnessModel:
        """With the judges."""
        ...

    @property
    def rich(self) -> bool:
        """Whether latents are."""
        ...

    @property
    def steps(self) -> int:
        """Of a search, after the first look."""
        ...

    def follow(self, trail: Trail, way: int, chosen: Tensor, steps: int) -> None:
        """Search on."""
        ...

    def measured(self, trail: Trail, way: int, chosen: Tensor) -> Tensor:
        """`measures`."""
        ...


def goes_on(searcher: Searcher, way: int) -> bool:
    """Whether searches begin again at all: of rich latents, for images as they are."""
    return way == PLAIN and searcher.rich and searcher.steps > 0


def insist(
    searcher: Searcher, trail: Trail, way: int, chosen: Tensor, every: bool = False
) -> Tensor:
    """Where it `goes_on`, search on for those of the chosen, (n,) bool, near the limit that the
    judge refuses, or, for a calibration, for `every` one near it that was not made exactly.

    Returns
    -------
    Tensor, float64, (chosen, MEASURES)
        See `Regenerator.measured`.
    """
    judge, rows = searcher.model.judge(way), chosen.nonzero()[:, 0]
    measured = searcher.measured(trail, way, chosen)
    for _ in range(LAPS if goes_on(searcher, way) else 0):
        again = (judge.beyond(measured) - judge.limit).abs() <= NEAR
        again = again & (~judge.exact(measured) if every else judge(measured) > 0)
        if not bool(again.any()):
            break
        some = torch.zeros_like(chosen)
        some[rows[again]] = True
        searcher.follow(trail, way, some, searcher.steps)
        measured[again] = searcher.measured(trail, way, some)
    return measured
