"""Fits the judges of the second witness to images that were searched as a scan would."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import PLACED, PLAIN

#: Share of own images that may be refused: as they are, and altered so that they are searched with
#: zoom, shift and filter; and of those that are not even doubtful.
FNR, DOUBTFUL = (0.015, 0.04), 0.005
#: dB beyond the farthest accepted own image from which on an image is dropped on the way.
MARGIN = 1.5


def calibrate_witness(
    regenerator: Regenerator, own: tuple[Tensor, Tensor], foreign: tuple[Tensor, Tensor]
) -> None:
    """Set the judges of `regenerator.model`, and its record of own images.

    Parameters
    ----------
    own, foreign : pairs of Tensor, float32, (n, *sample_shape) in [0, 1]
        Images as made, out of lossy files, with noise; and images cropped, moved, blurred or
        resized, alone or with the above.
    """
    model, record = regenerator.model, []
    for way in (PLAIN, PLACED):
        judge = model.judge(way)
        ours, others = (_followed(regenerator, part[way], way) for part in (own, foreign))
        said = judge.fit(ours[1], others[1], FNR[way], DOUBTFUL)
        relative = ours[0][(said <= model.leeway(way)).to(ours[0].device)]
        judge.limits[:2] = relative.amax(dim=0) + MARGIN
        record.append(said)
    assert len(model.own) == sum(map(len, own))
    model.own.copy_(torch.cat(record))


def _followed(regenerator: Regenerator, pixels: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Distances over the own blurred copy, guessed and after the first steps, (n, 2) in dB, and
    the measures at the end."""
    trail = regenerator.begin(pixels)
    every = torch.ones(len(pixels), dtype=torch.bool, device=pixels.device)
    relative = [trail.relative(way)]
    regenerator.follow(trail, way, every, regenerator.first_steps)
    relative.append(trail.relative(way))
    if way == PLACED:
        regenerator.resize(trail, every)
    regenerator.follow(trail, way, every, regenerator.steps)
    return torch.stack(relative, dim=1), regenerator.measured(trail, way, every)
