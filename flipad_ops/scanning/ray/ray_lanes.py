"""Lanes whose batches are scored elsewhere, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.pipeline.lanes import Lane, Members
from flipad_ops.scanning.pipeline.work import Task
from flipad_ops.scanning.ray.calls import Call, Entry, Image, ScoreCall


class RemoteLane(Lane):
    """Composes batches as a `Lane` does; in place of pixels it has (entry, row).

    Parameters
    ----------
    task : Task
    number : int
        Of the scorer.
    submit : callable
        Takes a call to be run.
    """

    def __init__(self, task: Task, number: int, submit: Callable[[Call], None]) -> None:
        super().__init__(task.scorers[number], task.ledger, task.request.batch_size)
        self.number, self._submit = number, submit
        self._flying: dict[str, Members] = {}

    def add(self, row: Row, position: int, pixels: Any) -> None:
        """Take one image; the same bytes as in a batch under way wait for that one's score."""
        flying = self._flying.get(row.sha256)
        if flying is None:
            super().add(row, position, pixels)
        else:
            flying.append((row, position))

    def _score_full(self) -> None:
        self.flush()  # pixels are with the workers: nothing can be set aside here

    def flush(self) -> None:
        """Send off what is waiting."""
        if not self._pixels:
            return
        places = cast("list[tuple[Entry, int]]", list(self._pixels.values()))
        images = [
            Image(entry, row, members)
            for (entry, row), members in zip(places, self._rows.values(), strict=True)
        ]
        self._flying |= self._rows
        self._pixels.clear()
        self._rows.clear()
        self._submit(ScoreCall(self, images))

    def scored(self, images: Sequence[Image], batch: ScoreBatch) -> None:
        """Scores of a batch, or of a part of one."""
        self._land(images)
        self.enter([image.members for image in images], batch)

    def lost(self, images: Sequence[Image], reason: str) -> None:
        """Images that cannot be scored."""
        self._land(images)
        for image in images:
            for row, position in image.members:
                self.ledger.add(replace_row(row, outcome="failed", reason=reason), position)
        self.ledger.commit()

    def _land(self, images: Sequence[Image]) -> None:
        for image in images:
            del self._flying[image.members[0][0].sha256]
