"""Fits the judges of the second witness to images that were searched as a scan would."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.regeneration.judge import LEAST, Level
from flipad_ops.regeneration.laps import goes_on, insist
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import STAGES

#: Of the others, the share that may pass a judge.
FPR = 0.02
#: Squared pixels that count as nothing where an image has to be made as it is: a thirteenth of what
#: rounding to 8 bits costs. Own images come below, each by as much as chance has it; others never.
EXACT = 1e-7
#: Squared pixels to which only the generator itself makes an image as it is, where latents are few.
MADE = 4e-7
#: dB over its variance that what is left of an image as it is may have coarsely: a tenth. Altered
#: in place, own images of a face generator end at -14 and below; own digits of a wrong class at -12
#: to -3, and clothes at -5 and above.
COARSE = -10.0
#: Lines by way of searching: images as they are; with zoom, shift and filter.
LEVELS = (
    Level(0.01, 0.005, 0.005, 6.0, FPR, made=MADE, coarse=COARSE),
    Level(0.04, 0.005, 0.005, 6.0, FPR),
)
#: Of rich latents: images without trace of a lossy file, which come all the way, so that the line
#: has room; JPEG files, which do not, and are found only where the others are not.
RICH_LEVELS = (
    Level(0.005, 0.005, 0.005, 2.0, FPR, slack=0.5, nothing=EXACT, coarse=COARSE),
    Level(0.04, 0.02, 0.015, 0.0, FPR),
)
#: Of looks on the way. The second way is the dear one: among photographs those that come so far are
#: smooth, and many.
EARLY = (Level(0.005, 0.005, 0.005, 1.0, slack=0.25), Level(0.01, 0.01, 0.005, 1.0))
RICH_EARLY = (Level(0.005, 0.005, 0.005, 3.0, slack=0.5), EARLY[1])


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
        resized, alone or with the above. Of rich latents: images as made; and out of JPEG files.
    sieved : Tensor, float32, (k, *sample_shape) in [0, 1]
        More own images of all these kinds, for the sieve; in any order.
    """
    model, record = regenerator.model, []
    levels, early_levels = LEVELS, EARLY
    if regenerator.rich:
        levels, early_levels = RICH_LEVELS, RICH_EARLY
    if model.sieve is not None:
        model.sieve.fit(sieved)
    for way, level in enumerate(levels):
        ours, others = (_Followed(regenerator, part[way], way) for part in (own, foreign))
        if min(len(ours.last), len(others.last)) < LEAST:
            continue
        for stage in range(STAGES):
            early = model.passes(way, stage)
            early.fit(ours.looks[stage], others.looks[stage], early_levels[way])
        judge = model.judge(way)
        said = judge.fit(ours.last, others.last, level)
        if goes_on(regenerator, way):  # the farthest own images draw the line
            said = judge.fit(ours.insisted(True), others.insisted(False), level)
        record.append(said)
    if record:
        model.own = torch.cat(record)


class _Followed:
    """Images searched to the end; `looks`: `measures` as guessed and after the first steps;
    `last`: at the end."""

    def __init__(self, regenerator: Regenerator, pixels: Tensor, way: int) -> None:
        trail = regenerator.begin(pixels[~regenerator.flat(pixels)])
        judged = trail.may_go(way, regenerator.rich)
        self.looks = [regenerator.measured(trail, way, judged, False)]
        regenerator.follow(trail, way, judged, regenerator.first_steps)
        self.looks.append(regenerator.measured(trail, way, judged, False))
        if regenerator.placed(way):
            regenerator.resize(trail, judged)
        regenerator.follow(trail, way, judged, regenerator.steps)
        self.last = regenerator.measured(trail, way, judged)
        self._rest = regenerator, trail, way, judged

    def insisted(self, every: bool) -> Tensor:
        """`last`, after `laps.insist`."""
        regenerator, trail, way, judged = self._rest
        return insist(regenerator, trail, way, judged, every)
