"""Lanes whose batches are scored elsewhere, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from flipad_ops.attribution.scorer import ScoreBatch, Scorer
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.pipeline.joint_scorers import sharing_groups
from flipad_ops.scanning.pipeline.lanes import Members
from flipad_ops.scanning.pipeline.sharing import Group, SharingLane
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
        members = [task.scorers[place] for place in places]
        group = RemoteGroup(number, members, task.request.batch_size, submit)
        lanes |= {place: RemoteLane(task.scorers[place], task.ledger, group) for place in places}
    return [lanes[place] for place in range(len(task.scorers))]


class RemoteGroup(Group):
    """Lanes that are scored together, or a single one; in place of pixels it has (entry, row).

    Parameters
    ----------
    number : int
        Of the group, as `sharing_groups` counts them.
    scorers, batch_size
        As of `Group`.
    submit : callable
        Takes a call to be run.
    """

    lanes: list[RemoteLane]  # type: ignore[assignment]

    def __init__(
        self,
        number: int,
        scorers: Sequence[Scorer],
        batch_size: int,
        submit: Callable[[Call], None],
    ) -> None:
        super().__init__(scorers, batch_size)
        self.number, self._submit = number, submit

    def flush(self) -> None:
        """Send off what is waiting in any lane."""
        if not self.images:
            return
        waiting = [lane.empty() for lane in self.lanes]
        places = cast("dict[str, tuple[Entry, int]]", self.images)
        images = [
            Image(entry, row, sha256, [rows.get(sha256, []) for rows in waiting])
            for sha256, (entry, row) in places.items()
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


class RemoteLane(SharingLane):
    """Composes batches with its group."""

    def __init__(self, scorer: Scorer, ledger: Ledger, group: RemoteGroup) -> None:
        super().__init__(scorer, ledger, group)
        self._flying: dict[str, Members] = {}

    def add(self, row: Row, position: int, pixels: Any) -> None:
        """Take one image; the same bytes as in a batch under way wait for that one's score."""
        flying = self._flying.get(row.sha256)
        if flying is None:
            super().add(row, position, pixels)
        else:
            flying.append((row, position))

    def empty(self) -> dict[str, Members]:
        """Give away what is waiting, and remember it."""
        rows = super().empty()
        self._flying |= rows
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
