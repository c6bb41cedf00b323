"""Lanes whose attributors pose the same inversion problem: their batches are filled together."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from flipad_ops.attribution.scorer import Scorer
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.pipeline.batches import Pixels
from flipad_ops.scanning.pipeline.joint_scorers import Joint, sharing_groups
from flipad_ops.scanning.pipeline.lanes import Lane, Members


def make_lanes(scorers: Sequence[Scorer], ledger: Ledger, batch_size: int) -> list[Lane]:
    """A lane for each scorer, in their order; those of one inversion problem act together."""
    lanes: dict[int, Lane] = {}
    for places in sharing_groups(scorers):
        members = [scorers[place] for place in places]
        if len(members) == 1:
            lanes[places[0]] = Lane(members[0], ledger, batch_size)
        else:
            group = Group(members, batch_size)
            lanes |= {n: SharingLane(scorers[n], ledger, group) for n in places}
    return [lanes[number] for number in range(len(scorers))]


class Group:
    """Lanes that are scored together.

    Parameters
    ----------
    scorers : sequence of SharingScorer
        In the order in which their lanes join.
    batch_size : int
        Images that at least one of them waits for.
    """

    def __init__(self, scorers: Sequence[Scorer], batch_size: int) -> None:
        self.joint = Joint(scorers, batch_size)
        self.lanes: list[SharingLane] = []
        self.images: dict[str, Pixels] = {}

    def flush(self) -> None:
        """Score what is waiting in any lane."""
        if not self.images:
            return
        images, self.images = self.images, {}
        waiting = [lane.empty() for lane in self.lanes]
        wanted = np.array([[sha256 in rows for sha256 in images] for rows in waiting])
        batches = self.joint.score(np.stack(list(images.values())), wanted)
        for lane, rows, batch in zip(self.lanes, waiting, batches, strict=True):
            # In the order of `images`, as the scores are.
            lane.enter([rows[sha256] for sha256 in images if sha256 in rows], batch)


class SharingLane(Lane):
    """A lane of a group, which says when a batch is full."""

    def __init__(self, scorer: Scorer, ledger: Ledger, group: Group) -> None:
        super().__init__(scorer, ledger, sys.maxsize)
        self.group = group
        group.lanes.append(self)

    def add(self, row: Row, position: int, pixels: Pixels) -> None:
        """Take one image; a full batch is scored as the next image comes."""
        group = self.group
        if len(group.images) >= group.joint.batch_size and row.sha256 not in group.images:
            group.flush()
        super().add(row, position, pixels)
        if row.sha256 in self._pixels:
            group.images.setdefault(row.sha256, pixels)

    def flush(self) -> None:
        """Score what is waiting in the group."""
        self.group.flush()

    def empty(self) -> dict[str, Members]:
        """Give away what is waiting."""
        rows = dict(self._rows)
        self._pixels.clear()
        self._rows.clear()
        return rows
