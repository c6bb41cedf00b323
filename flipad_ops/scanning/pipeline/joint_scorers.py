"""One inversion of an image for all attributors that pose the same inversion problem.

An attributor whose screen rules an image out needs no inversion of it: inverted are the images
that at least one of them needs, and each scores exactly those it would have inverted alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch, Scorer, SharingScorer
from flipad_ops.scanning.pipeline.batches import Pixels, in_halves, unscored


def sharing_groups(scorers: Sequence[Scorer]) -> list[list[int]]:
    """Places of scorers that can share their inversions, together."""
    groups: dict[str, list[int]] = {}
    for number, scorer in enumerate(scorers):
        key = scorer.inversion_key if isinstance(scorer, SharingScorer) else f"alone {number}"
        groups.setdefault(key, []).append(number)
    return list(groups.values())


class Joint:
    """Scorers of one inversion problem, or a single one of whatever kind.

    Parameters
    ----------
    scorers : sequence of Scorer
        Of one kind of sample.
    batch_size : int
        Halved, for good, whenever a batch does not fit into memory.
    """

    def __init__(self, scorers: Sequence[Scorer], batch_size: int) -> None:
        self.scorers, self.batch_size = scorers, batch_size

    def score(self, pixels: Pixels, wanted: NDArray[np.bool_]) -> list[ScoreBatch]:
        """Scores of a batch, in halves where it does not fit into memory.

        Parameters
        ----------
        pixels : (n, *space.shape)
        wanted : (scorers, n) bool
            Whose score of which image is asked for; of a single scorer that of all.

        Returns
        -------
        list of ScoreBatch
            One per scorer, over its wanted images in their order; NaN for no score.
        """

        def shrink(size: int) -> None:
            self.batch_size = min(self.batch_size, size)

        def attempt(part: slice) -> list[ScoreBatch]:
            tensor = self.scorers[0].space.to_tensor(pixels[part])
            if len(self.scorers) == 1:
                return [self.scorers[0].score(tensor)]
            return score_together(
                cast("Sequence[SharingScorer]", self.scorers), tensor, wanted[:, part]
            )

        return in_halves(
            attempt,
            slice(0, len(pixels)),
            shrink,
            lambda part: [unscored(int(own[part].sum())) for own in wanted],
        )


def score_together(
    scorers: Sequence[SharingScorer], pixels: Tensor, wanted: NDArray[np.bool_]
) -> list[ScoreBatch]:
    """Scores of a batch by scorers of one inversion problem.

    Parameters
    ----------
    pixels : Tensor, (n, *space.shape)
    wanted : (scorers, n) bool
        Whose score of which image is asked for.

    Returns
    -------
    list of ScoreBatch
        One per scorer, over its wanted images in their order; NaN for a score that is not finite.
    """
    chosen = [pixels[np.flatnonzero(own)] for own in wanted]
    screenings = [scorer.screen(images) for scorer, images in zip(scorers, chosen, strict=True)]
    needed = np.zeros(wanted.shape, bool)
    for own, row, screening in zip(wanted, needed, screenings, strict=True):
        row[own] = screening.needed
    inverted = np.flatnonzero(needed.any(axis=0))
    result = scorers[0].invert(pixels[inverted]) if len(inverted) else None
    batches = []
    for scorer, images, screening, row in zip(scorers, chosen, screenings, needed, strict=True):
        places = torch.from_numpy(np.flatnonzero(row[inverted]))
        shared = result if len(places) else None
        if shared is not None and len(places) < len(inverted):
            shared = shared.select(places)
        # What an inversion cost is told by the scorer that was asked for it.
        batches.append(scorer.conclude(images, screening, shared))
    return batches
