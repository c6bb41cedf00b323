"""An attacker who sees scores and nothing else: random search over squares.

The L-infinity Square Attack (Andriushchenko et al., ECCV 2020) on the score that a scan or a served
model returns: stripes of plus and minus the whole radius at first, then squares of one sign, kept
where the score moved the right way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.generators import quantise

Score = Callable[[Tensor], NDArray[np.float64]]
#: Share of an image that the first squares cover, and when it halves, in shares of the queries.
FIRST_SHARE = 0.3
HALVINGS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def search(
    score: Score, images: Tensor, levels: int, framing: bool, checkpoints: Sequence[int],
    threshold: float, seed: int,
) -> list[Tensor]:  # fmt: skip
    """The best images found after each of `checkpoints` queries an image.

    Parameters
    ----------
    score : callable
        (n, channels, height, width) 8-bit images to scores (n,); low means "ours".
    images : Tensor, float32, (n, channels, height, width) in [0, 1]
    levels : int
        Radius in grey levels.
    framing : bool
        Lower the score, not raise it.
    threshold : float
        An image whose score has passed it is left as it is.
    """
    source = torch.Generator().manual_seed(seed)
    radius, sign = levels / 255, 1.0 if framing else -1.0
    n, channels, height, width = images.shape

    def signs(*shape: int) -> Tensor:
        return torch.randint(2, shape, generator=source).float() * 2 - 1

    def moved(delta: Tensor, rows: Tensor) -> Tensor:
        return quantise((images[rows] + radius * delta).clamp(0, 1))

    every = torch.arange(n)
    best = images.clone()
    value = torch.from_numpy(sign * score(best))
    delta = signs(n, channels, 1, width).expand_as(images).clone()
    kept: list[Tensor] = []
    # What is best so far may be the image itself; the squares start from the stripes all the same.
    stripes = torch.from_numpy(sign * score(moved(delta, every)))
    better = stripes < value
    best[better], value[better] = moved(delta, every)[better], stripes[better]
    current = stripes
    for query in range(3, max(checkpoints) + 1):
        open_ = value > threshold * sign if framing else value >= threshold * sign
        rows = open_.nonzero()[:, 0]
        if len(rows):
            share = FIRST_SHARE / 2 ** sum(query > at * max(checkpoints) for at in HALVINGS)
            side = max(1, round(math.sqrt(share * height * width)))
            tried = delta[rows]
            for index in range(len(rows)):
                top, left = (
                    int(torch.randint(size - side + 1, (), generator=source))
                    for size in (height, width)
                )
                square = signs(channels, 1, 1)
                tried[index, :, top : top + side, left : left + side] = square
            candidates = moved(tried, rows)
            found = torch.from_numpy(sign * score(candidates))
            step = found < current[rows]
            delta[rows[step]], current[rows[step]] = tried[step], found[step]
            gain = found < value[rows]
            best[rows[gain]], value[rows[gain]] = candidates[gain], found[gain]
        if query in checkpoints:
            kept.append(best.clone())
    return kept
