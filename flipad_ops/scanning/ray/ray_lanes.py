"""Lanes whose batches are scored elsewhere, several at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.pipeline.joint_scorers import sharing_groups
from flipad_ops.scanning.pipeline.lanes import Lane, Members
from flipad_ops.scanning.pipeline.work import Task
from flipad_ops.scanning.ray.calls import Call, Entry, Image, ScoreCall


def remote_lanes(task: Task, submit: Callable[[Call], None]) -> list[RemoteLane]:
    """A lane for each scorer, in their order; those of one inversion problem act together.

    Parameters
    ----------
    task : Task
    submit : callable
        Takes a call to be run.
    """
    lanes: dict[int, RemoteLane] = {}
    for number, places in enumerate(sharing_groups(task.scorers)):
        group = RemoteGroup(number, task.request.batch_size, submit)
        lanes |= {place: RemoteLane(task, place, group) for place in places}
    return [lanes[place] for place in range(len(task.scorers))]


class RemoteGroup:
    """Lanes that are scored together, or a single one.

    Parameters
    ----------
    number : int
        Of the group, as `sharing_groups` counts them.
    batch_size : int
        Images that at least one lane waits for.
    submit : callable
        Takes a call to be run.
    """

    def __init__(self, number: int, batch_size: int, submit: Callable[[Call], None]) -> None:
        self.number, self.batch_size = number, batch_size
        self.lanes: list[RemoteLane] = []
        self.images: dict[str, tuple[Entry, int]] = {}
        self._submit = submit

    def flush(self) -> None:
        """Send off what is waiting in any lane."""
        if not self.images:
            return
        waiting = [lane.take_off() for lane in self.lanes]
        images = [
            Image(entry, row, sha256, [rows.get(sha256, []) for rows in waiting])
            for sha256, (entry, row) in self.images.items()
        ]
        self.images.clear()
        self._submit(ScoreCall(self, images))

    def scored(self, images: Sequence[Image], batches: Sequence[ScoreBatch]) -> None:
        """Scores of a batch, or of a part of one: of each lane those that it waits for."""
        for place, (lane, batch) in enumerate(zip(self.lanes, batches, strict=True)):
            rows = [image.members[place] for image in images if image.members[place]]
            lane.land(rows)
            lane.enter(rows, batch)

    def lost(self, images: Sequence[Image], reason: str) -> None:
        """Images that cannot be scored."""
        for place, lane in enumerate(self.lanes):
            lane.lost([image.members[place] for image in images if image.members[place]], reason)


class RemoteLane(Lane):
    """Composes batches with its group; in place of pixels it has (entry, row).

    Parameters
    ----------
    task : Task
    number : int
        Of the scorer.
    group : RemoteGroup
    """

    def __init__(self, task: Task, number: int, group: RemoteGroup) -> None:
        super().__init__(task.scorers[number], task.ledger, sys.maxsize)
        self.group = group
        self._flying: dict[str, Members] = {}
        group.lanes.append(self)

    def add(self, row: Row, position: int, pixels: Any) -> None:
        """Take one image; a full batch is sent off as the next image comes. The same bytes as in a
        batch under way wait for that one's score."""
        flying, group = self._flying.get(row.sha256), self.group
        if flying is not None:
            flying.append((row, position))
            return
        if len(group.images) >= group.batch_size and row.sha256 not in group.images:
            group.flush()
        super().add(row, position, pixels)
        if row.sha256 in self._pixels:
            group.images.setdefault(row.sha256, pixels)

    def flush(self) -> None:
        """Send off what is waiting in the group."""
        self.group.flush()

    def take_off(self) -> dict[str, Members]:
        """Give away what is waiting."""
        rows = dict(self._rows)
        self._flying |= rows
        self._pixels.clear()
        self._rows.clear()
        return rows

    def land(self, rows: Sequence[Members]) -> None:
        """What was given away is back."""
        for members in rows:
            del self._flying[members[0][0].sha256]

    def lost(self, rows: Sequence[Members], reason: str) -> None:
        """Images that cannot be scored."""
        self.land(rows)
        for row, position in (member for members in rows for member in members):
            self.ledger.add(replace_row(row, outcome="failed", reason=reason), position)
        self.ledger.commit()
