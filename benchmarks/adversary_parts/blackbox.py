"""An attacker who sees scores and nothing else: random search.

As SimBA (Guo et al., ICML 2019): a small step in a random direction is kept where the score moved
the right way. Directions are squares of one sign, as in the Square Attack (Andriushchenko et al.,
ECCV 2020), since pixels one by one would take too many queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.generators import quantise

Score = Callable[[Tensor], NDArray[np.float64]]
#: Sides of the squares in pixels and steps in grey levels, drawn evenly.
SIDES, STEPS = (1, 2, 3, 4, 6, 8, 12), (1, 2)


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
        Radius of the L-infinity ball in grey levels.
    framing : bool
        Lower the score, not raise it.
    threshold : float
        An image whose score has passed it is left as it is.

    Returns
    -------
    list of Tensor, each of the shape of `images`, on the 8-bit grid
    """
    source = torch.Generator().manual_seed(seed)
    radius, sign = levels / 255, 1.0 if framing else -1.0
    channels, *sides = images.shape[1:]
    low, high = (images - radius).clamp_min(0), (images + radius).clamp_max(1)

    def draw(end: int) -> int:
        return int(torch.randint(end, (), generator=source))

    def direction() -> Tensor:
        side = min(SIDES[draw(len(SIDES))], *sides)
        top, left = (draw(size - side + 1) for size in sides)
        step = torch.zeros(channels, *sides)
        step[:, top : top + side, left : left + side] = (2 * draw(2) - 1) * STEPS[draw(len(STEPS))]
        return step / 255

    best, value = images.clone(), torch.from_numpy(sign * score(images))
    kept: list[Tensor] = []
    for query in range(2, max(checkpoints) + 1):
        passed = value <= threshold if framing else value < -threshold
        rows = (~passed).nonzero()[:, 0]
        if len(rows):
            steps = torch.stack([direction() for _ in rows])
            tried = torch.minimum(torch.maximum(best[rows] + steps, low[rows]), high[rows])
            tried = quantise(tried)
            found = torch.from_numpy(sign * score(tried))
            better = found < value[rows]
            best[rows[better]], value[rows[better]] = tried[better], found[better]
        if query in checkpoints:
            kept.append(best.clone())
    return kept
