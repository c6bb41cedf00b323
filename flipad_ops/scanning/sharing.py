"""One inversion of an image for all attributors that pose the same inversion problem.

An attributor whose screen rules an image out needs no inversion of it: inverted are the images
that at least one of them needs, and each scores exactly those it would have inverted alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.scanning.scorer import ScoreBatch, Scorer, SharingScorer


def sharing_groups(scorers: Sequence[Scorer]) -> list[list[Scorer]]:
    """Scorers that can share their inversions, together; in the order of first mention."""
    groups: dict[str, list[Scorer]] = {}
    for number, scorer in enumerate(scorers):
        key = scorer.inversion_key if isinstance(scorer, SharingScorer) else f"alone {number}"
        groups.setdefault(key, []).append(scorer)
    return list(groups.values())


def score_together(
    scorers: Sequence[Scorer], pixels: Tensor, wanted: NDArray[np.bool_]
) -> list[ScoreBatch]:
    """Scores of a batch by each scorer of one group.

    Parameters
    ----------
    pixels : Tensor, (n, *image_shape)
    wanted : (scorers, n) bool
        Whose score of which image is asked for.

    Returns
    -------
    list of ScoreBatch
        One per scorer, over its wanted images in their order. A score that is not finite is NaN.

    Raises
    ------
    InversionError
        From a scorer that is alone in its group.
    """
    if len(scorers) == 1:
        return [scorers[0].score(pixels[np.flatnonzero(wanted[0])])]
    sharing = [scorer for scorer in scorers if isinstance(scorer, SharingScorer)]
    chosen = [pixels[np.flatnonzero(mask)] for mask in wanted]
    screenings = [scorer.screen(own) for scorer, own in zip(sharing, chosen, strict=True)]
    needed = np.zeros(wanted.shape, bool)
    for mask, row, screening in zip(wanted, needed, screenings, strict=True):
        row[mask] = screening.needed
    inverted = np.flatnonzero(needed.any(axis=0))
    result = sharing[0].invert(pixels[inverted]) if len(inverted) else None
    batches = []
    for scorer, own, screening, row in zip(sharing, chosen, screenings, needed, strict=True):
        places = np.flatnonzero(row[inverted])
        shared = None
        if result is not None and len(places):
            whole = len(places) == len(inverted)
            shared = result if whole else result.select(torch.from_numpy(places))
        batches.append(scorer.conclude(own, screening, shared))
    return batches
