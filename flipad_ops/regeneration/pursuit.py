"""The nearest of many images, followed to the end of the plain search."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.regeneration.laps import insist
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import PLAIN


def pursue(regenerator: Regenerator, pixels: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Those whom a scan would search for after the encoder's guess, and the next nearest to them
    until they are `least`: also such as a look spares a scan, but for flat ones.

    Parameters
    ----------
    pixels : Tensor, float32, (n, channels, height, width) in [0, 1]

    Returns
    -------
    rows : Tensor, int64, (m,)
    beyond : Tensor, float64, (m,)
        `Judge.beyond`.
    """
    some = (~regenerator.flat(pixels)).nonzero()[:, 0]
    if not len(some):
        return some, torch.zeros(0, dtype=torch.float64, device=pixels.device)
    trail = regenerator.begin(pixels[some])
    may = trail.may_go(PLAIN, regenerator.rich)
    off = torch.full_like(trail.beyond, torch.inf)
    off[may] = regenerator.model.passes(PLAIN, 0)(regenerator.measured(trail, PLAIN, may, False))
    place = torch.argsort(torch.argsort(off))
    chosen = may & ((off <= 0) | (place < least))
    for steps in (regenerator.first_steps, regenerator.steps):
        regenerator.follow(trail, PLAIN, chosen, steps)
    measured = insist(regenerator, trail, PLAIN, chosen)
    return some[chosen.nonzero()[:, 0]], regenerator.model.judge(PLAIN).beyond(measured)
