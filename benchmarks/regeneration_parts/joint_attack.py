"""Gradient attacks on both witnesses at once, in an L-infinity ball on the 8-bit grid.

What the second witness decides by is differentiable but for its search. So the attack alternates:
make the image again by the product's own search, hold the remade image fixed, move the found one by
the judge's gradient (toward the remade image, or away from it), make it again. The first witness's
margins are those of `adversary_parts.surrogate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.adversary_parts.judge import judge
from benchmarks.adversary_parts.surrogate import Surrogate, excess, reach
from benchmarks.adversary_parts.unrolled import rounded
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.generators import quantise
from flipad_ops.regeneration.alterations import apply_filter, best_filter, place
from flipad_ops.regeneration.measures import measures
from flipad_ops.regeneration.observation import PixelBox
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.remade_batch import Remade
from flipad_ops.regeneration.witness_model import PLACED, PLAIN

ROUNDS, STEPS = 4, 10
#: Grey levels of a round's first step; a margin beyond which a witness is content.
LENGTH, CONTENT = 1.0, 2.0
#: Weight of a dB of distance over the image's own blurred copy.
PULL = 0.02


@dataclass(frozen=True, eq=False)
class Attacked:
    """The images after an attack, and whether the product attributes each."""

    images: Tensor
    attributed: NDArray[np.bool_]


def attack_both(
    attributor: Attributor, images: Tensor, levels: int, framing: bool, *, first: bool = True,
    start: Tensor | None = None, rounds: int = ROUNDS, steps: int = STEPS,
) -> Attacked:  # fmt: skip
    """Push (n, *sample_shape) 8-bit images towards "ours", or away from it.

    Parameters
    ----------
    attributor : Attributor
        Whose second witness speaks.
    levels : int
        Radius in grey levels.
    first : bool
        Whether the first witness is attacked as well, not the second alone.
    start : Tensor, optional
        Where to begin, within the ball.

    Returns
    -------
    Attacked
        Of each image the first that the product gives the wished answer to, or the last.
    """
    assert attributor.second is not None
    regenerator = attributor.second.regenerator
    surrogate = Surrogate(attributor) if first else None
    low, high = ((images + end * levels / 255).clamp(0, 1) for end in (-1, 1))
    moved = (images if start is None else start).clone()
    open_ = torch.arange(len(images))
    for turn in range(rounds + 1):
        remade = regenerator.remake(quantise(moved[open_]))
        left = ((remade.excess <= 0) != framing).nonzero()[:, 0]
        if turn == rounds or not len(left):
            break
        open_, remade = open_[left], _select(remade, left)
        moved[open_] = _moved(
            regenerator, surrogate, moved[open_], remade, (low[open_], high[open_]), framing, steps
        )
    best = quantise(moved)
    return Attacked(best, judge(attributor, best).attributed)


def _moved(
    regenerator: Regenerator, surrogate: Surrogate | None, start: Tensor, remade: Remade,
    ball: tuple[Tensor, Tensor], framing: bool, steps: int,
) -> Tensor:  # fmt: skip
    """Signed steps that get shorter, the remade images fixed."""
    pixels = start.clone()
    for step in range(steps):
        at = pixels.clone().requires_grad_()
        seen = rounded(at)
        margins = [second_margin(regenerator, seen, remade, PULL)[:, None]]
        branches = [] if surrogate is None else surrogate.margins(seen)
        every = [torch.cat([part, margins[0]], dim=1) for part in branches] or margins
        loss = excess(every) if framing else -reach(margins, CONTENT)
        if not framing and branches:
            loss = loss - reach(branches, CONTENT)
        (slope,) = torch.autograd.grad(loss.sum(), at)
        size = slope.abs().flatten(1).amax(dim=1).clamp_min(1e-30).reshape(-1, 1, 1, 1)
        # Small slopes move little: where nothing is to be won, nothing is spent.
        change = LENGTH / 255 * (1.1 - step / steps) * torch.tanh(10 * slope / size)
        pixels = torch.minimum(torch.maximum(pixels - change, ball[0]), ball[1])
    return pixels


def _select(remade: Remade, rows: Tensor) -> Remade:
    return Remade(**{name: value[rows] for name, value in vars(remade).items()})


def second_margin(
    regenerator: Regenerator, pixels: Tensor, remade: Remade, pull: float = 0.0
) -> Tensor:
    """(n,) float64 what the judge says of the pixels beside these remade images; at most 0 passes.
    Differentiable in the pixels.

    Parameters
    ----------
    pull : float
        Added for each dB over the image's own blurred copy.
    """
    with torch.no_grad():
        plain = regenerator.search.make(remade.latents)
        shown = _as_found(remade, pixels, plain)
    said = []
    for way, made in ((PLAIN, plain), (PLACED, shown)):
        observed = PixelBox(pixels, regenerator.step)
        measured = measures(pixels, made, observed, remade.descent)
        # Far from all support vectors the judge has no slope; the distance always has one.
        over = measured[:, 0] - measured[:, 5]
        said.append(regenerator.model.judge(way)(measured) + pull * over)
    return torch.where(remade.placed, said[1], said[0])


def _as_found(remade: Remade, pixels: Tensor, made: Tensor) -> Tensor:
    moved = place(made, remade.where)
    return apply_filter(moved, best_filter(moved, pixels.detach()))
