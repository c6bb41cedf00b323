"""One inversion of an image for all attributors that pose the same inversion problem.

An attributor whose screen rules an image out needs no inversion of it: inverted are the images
that at least one of them needs, and each scores exactly those it would have inverted alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch, Scorer, SharingScorer
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.pipeline.lanes import Lane, Pixels, in_halves, unscored


def make_lanes(scorers: Sequence[Scorer], ledger: Ledger, batch_size: int) -> list[Lane]:
    """A lane for each scorer, in their order; those of one inversion problem act together."""
    lanes: dict[int, Lane] = {}
    for members in sharing_groups(scorers):
        if len(members) == 1:
            lanes[members[0]] = Lane(scorers[members[0]], ledger, batch_size)
        else:
            group = Group(batch_size)
            lanes |= {n: SharingLane(scorers[n], ledger, group) for n in members}
    return [lanes[number] for number in range(len(scorers))]


def sharing_groups(scorers: Sequence[Scorer]) -> list[list[int]]:
    """Places of scorers that can share their inversions, together."""
    groups: dict[str, list[int]] = {}
    for number, scorer in enumerate(scorers):
        key = scorer.inversion_key if isinstance(scorer, SharingScorer) else f"alone {number}"
        groups.setdefault(key, []).append(number)
    return list(groups.values())


class Group:
    """Lanes that are scored together.

    Parameters
    ----------
    batch_size : int
        Images that at least one of them waits for; halved, for good, when memory runs out.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.lanes: list[SharingLane] = []
        self.images: dict[str, Pixels] = {}

    def flush(self) -> None:
        """Score what is waiting in any lane."""
        if not self.images:
            return
        images, self.images = self.images, {}
        waiting = [lane.empty() for lane in self.lanes]
        wanted = np.array([[sha256 in rows for sha256 in images] for rows in waiting])
        batches = self._score(np.stack(list(images.values())), wanted)
        for lane, rows, batch in zip(self.lanes, waiting, batches, strict=True):
            # In the order of `images`, as the scores are.
            lane.enter([rows[sha256] for sha256 in images if sha256 in rows], batch)

    def _score(self, pixels: Pixels, wanted: NDArray[np.bool_]) -> list[ScoreBatch]:
        def shrink(size: int) -> None:
            self.batch_size = min(self.batch_size, size)

        def attempt(part: slice) -> list[ScoreBatch]:
            tensor = self.lanes[0].space.to_tensor(pixels[part])
            return score_together([lane.sharing for lane in self.lanes], tensor, wanted[:, part])

        return in_halves(
            attempt,
            slice(0, len(pixels)),
            shrink,
            lambda part: [unscored(int(own[part].sum())) for own in wanted],
        )


class SharingLane(Lane):
    """A lane of a group, which says when a batch is full."""

    def __init__(self, scorer: Scorer, ledger: Ledger, group: Group) -> None:
        super().__init__(scorer, ledger, sys.maxsize)
        assert isinstance(scorer, SharingScorer)
        self.sharing, self.group = scorer, group
        group.lanes.append(self)

    def add(self, row: Row, position: int, pixels: Pixels) -> None:
        """Take one image; a full batch is scored as the next image comes."""
        group = self.group
        if len(group.images) >= group.batch_size and row.sha256 not in group.images:
            group.flush()
        super().add(row, position, pixels)
        if row.sha256 in self._pixels:
            group.images.setdefault(row.sha256, pixels)

    def flush(self) -> None:
        """Score what is waiting in the group."""
        self.group.flush()

    def empty(self) -> dict[str, list[tuple[Row, int]]]:
        """Give away what is waiting."""
        rows = dict(self._rows)
        self._pixels.clear()
        self._rows.clear()
        return rows


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
