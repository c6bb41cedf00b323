"""Fits the judges of the second witness to images that were searched as a scan would."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import PLACED, PLAIN, STAGES

#: Share of own images that may be refused: as they are, and altered so that they are searched with
#: zoom, shift and filter; and of those that are not even doubtful.
FNR, DOUBTFUL = (0.015, 0.04), 0.005
#: The same of looks on the way, and logits beyond from which on an image is dropped there.
EARLY_FNR, MARGIN = 0.005, 0.5


def calibrate_witness(
    regenerator: Regenerator,
    own: tuple[Tensor, Tensor],
    foreign: tuple[Tensor, Tensor],
    sieved: Tensor,
) -> None:
    """Set the judges of `regenerator.model`, and its record of own images.

    Parameters
    ----------
    own, foreign : pairs of Tensor, float32, (n, *sample_shape) in [0, 1]
        Images as made, out of lossy files, with noise; and images cropped, moved, blurred or
        resized, alone or with the above.
    sieved : Tensor, float32, (k, *sample_shape) in [0, 1]
        More own images of all these kinds, for the sieve; in any order.
    """
    model, record = regenerator.model, []
    if model.sieve is not None:
        model.sieve.fit(sieved)
    for way in (PLAIN, PLACED):
        ours, others = (_followed(regenerator, part[way], way) for part in (own, foreign))
        for stage in range(STAGES):
            early = model.passes(way, stage)
            early.fit(ours[stage], others[stage], EARLY_FNR, EARLY_FNR)
            early.accept -= MARGIN
        record.append(model.judge(way).fit(ours[-1], others[-1], FNR[way], DOUBTFUL))
    assert len(model.own) == sum(map(len, own))
    model.own.copy_(torch.cat(record))


def _followed(regenerator: Regenerator, pixels: Tensor, way: int) -> list[Tensor]:
    """`judge.measures` as guessed, after the first steps, and at the end."""
    trail = regenerator.begin(pixels)
    every = torch.ones(len(pixels), dtype=torch.bool, device=pixels.device)
    measured = [regenerator.measured(trail, way, every, False)]
    regenerator.follow(trail, way, every, regenerator.first_steps)
    measured.append(regenerator.measured(trail, way, every, False))
    if way == PLACED:
        regenerator.resize(trail, every)
    regenerator.follow(trail, way, every, regenerator.steps)
    return [*measured, regenerator.measured(trail, way, every)]
