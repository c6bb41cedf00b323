"""Gradient attacks in an L-infinity ball (Madry et al., ICLR 2018) on the 8-bit grid.

Steps are Adam's: with steps of one sign everywhere, flat black regions get as much as the rest, and
the score notices. The ball is one of whole grey levels, since files hold no others: what is below
one level is rounded away.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.adversary_parts.surrogate import Surrogate, excess, margin, reach
from benchmarks.adversary_parts.unrolled import rounded, straight
from flipad_ops.attribution.augmentation import through_file
from flipad_ops.generators import quantise

Margins = Callable[[Tensor], list[Tensor]]
File = Callable[[Tensor], Tensor]
STEPS = 40
#: Grey levels of the first step, and Adam's decays and offset (in units of the mean gradient).
LENGTH, DECAYS, OFFSET = 0.4, (0.8, 0.95), 0.1
#: Score over threshold at which an attacker is content.
FRAMED, HIDDEN = 0.5, 4.0
#: By how much a branch's margin goes on counting beyond that.
SLACK = 0.5
#: An attack on the view of lossy files: the quality of its JPEG file, the finest that is
#: recognised as one; first step and count of steps, more as they cost little.
QUALITY, JPEG_LENGTH, JPEG_STEPS = 96, 1.0, 100


def whole_levels(eps: float) -> int:
    """Grey levels that an 8-bit image can move within `eps` of them."""
    return int(eps)


def attack(
    surrogate: Surrogate, images: Tensor, eps: float, framing: bool, *,
    start: Tensor | None = None, steps: int = STEPS,
) -> Tensor:  # fmt: skip
    """Push (n, *sample_shape) 8-bit images in [0, 1] towards "ours", or away from it.

    Parameters
    ----------
    eps : float
        Radius in grey levels.
    start : Tensor, optional
        Where to begin, within the ball: what a smaller radius found.

    Returns
    -------
    Tensor, of the same shape
        On the 8-bit grid, each pixel within floor(eps) grey levels of the image's; the best of
        the iterates.
    """
    levels = whole_levels(eps)
    return descend(surrogate.margins, images, levels, framing, rounded, start=start, steps=steps)


def as_jpeg(pixels: Tensor) -> Tensor:
    """What is read from a JPEG file of the pixels; its gradient is taken for the identity's
    (BPDA, Athalye et al., ICML 2018)."""
    source = torch.Generator()
    made = through_file(quantise(pixels.detach()), "JPEG", (QUALITY, QUALITY), source)
    return straight(pixels, made)


def attack_as_jpeg(surrogate: Surrogate, images: Tensor, eps: float, *, steps: int = JPEG_STEPS
                   ) -> Tensor:  # fmt: skip
    """Frame by way of the view for lossy files: the decoded pixels of the file.

    The ball bounds what is saved; the file's own rounding adds to it.
    """
    levels = whole_levels(eps)
    return descend(
        surrogate.lossy_margins, images, levels, True, as_jpeg, steps=steps, length=JPEG_LENGTH
    )


def one_level(surrogate: Surrogate, images: Tensor, share: float) -> Tensor:
    """Away from "ours" by one grey level in `share` of the pixels, chosen by one gradient."""
    moved = images.clone().requires_grad_()
    found = surrogate.margins(rounded(moved))
    # All views: the largest at first may not be the one that is easiest to raise.
    (gradient,) = torch.autograd.grad(torch.cat(found, dim=1).sum(), moved)
    inside = (images + gradient.sign() / 255 >= 0) & (images + gradient.sign() / 255 <= 1)
    size = (gradient.abs() * inside).flatten(1)
    count = max(1, round(share * size.shape[1]))
    chosen = torch.zeros_like(size).scatter_(1, size.topk(count, dim=1).indices, 1.0)
    step = gradient.sign() * chosen.reshape(images.shape) * inside
    return quantise(images + step / 255)


def descend(
    margins: Margins, images: Tensor, levels: int, framing: bool, file: File, *,
    start: Tensor | None = None, steps: int = STEPS, length: float = LENGTH,
) -> Tensor:  # fmt: skip
    """The loop; `file` turns pixels in [0, 1] to what a reader of the saved file sees."""
    start = images if start is None else start
    best = file(start).detach()
    if levels == 0:
        return best
    radius, sign = levels / 255, 1.0 if framing else -1.0
    goal = sign * math.log(FRAMED if framing else HIDDEN)
    value = torch.full((len(images),), torch.inf, dtype=torch.float64)
    first, second = torch.zeros_like(images), torch.zeros_like(images)
    moved = start.clone()
    for step in range(1, steps + 2):
        rows = (value > goal).nonzero()[:, 0]
        if not len(rows):
            break
        part = moved[rows].requires_grad_()
        seen = file(part)
        found = margins(seen)
        reached = sign * margin(found).detach()
        better = reached < value[rows]
        best[rows[better]], value[rows[better]] = seen.detach()[better], reached[better]
        if step > steps:
            break
        loss = excess(found) if framing else -reach(found, SLACK - goal)
        (gradient,) = torch.autograd.grad(loss.sum(), part)
        unit = gradient.flatten(1).abs().mean(dim=1).clamp_min(1e-30)
        gradient = gradient / unit.reshape(-1, *[1] * (images.dim() - 1))
        first[rows] = DECAYS[0] * first[rows] + (1 - DECAYS[0]) * gradient
        second[rows] = DECAYS[1] * second[rows] + (1 - DECAYS[1]) * gradient.square()
        spread = (second[rows] / (1 - DECAYS[1] ** step)).sqrt() + OFFSET
        size = length / 255 * (1.1 - step / steps)
        change = size * first[rows] / (1 - DECAYS[0] ** step) / spread
        low, high = ((images[rows] + end).clamp(0, 1) for end in (-radius, radius))
        moved[rows] = torch.minimum(torch.maximum(part.detach() - change, low), high)
    return best
