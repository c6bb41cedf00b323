"""Lanes collect decoded images into batches, have them scored, and fill the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from flipad_ops.errors import InversionError
from flipad_ops.scanning.ledger import Ledger
from flipad_ops.scanning.records import Row, replace_row
from flipad_ops.scanning.scorer import ScoreBatch, Scorer, label
from flipad_ops.scanning.sharing import score_together

Pixels = NDArray[np.uint8]
NO_SCORE = "The inversion gave no finite score."


@dataclass(eq=False)
class _Waiting:
    """Pixels to be scored, and the rows that wait for it, by attributor."""

    pixels: Pixels
    rows: dict[str, list[tuple[Row, int]]] = field(default_factory=dict)


class Lane:
    """Scores for the attributors of one group, which share their inversions.

    The same bytes under many keys are scored once.

    Parameters
    ----------
    scorers : sequence of Scorer
        A group of `sharing_groups`.
    ledger : Ledger
    batch_size : int
        Halved, for good, whenever a batch does not fit into memory.

    Attributes
    ----------
    found, screened : int
        Scores at or below the threshold, and scores that needed no inversion.
    """

    def __init__(self, scorers: Sequence[Scorer], ledger: Ledger, batch_size: int) -> None:
        self.scorers, self.ledger, self.batch_size = scorers, ledger, batch_size
        self.names, self.shape = [label(s) for s in scorers], scorers[0].image_shape
        self.found = self.screened = 0
        self._waiting: dict[str, _Waiting] = {}

    def add(self, rows: Sequence[Row], position: int, pixels: Pixels) -> None:
        """Take one image, a row for each of `names`; scores when a batch is full."""
        sha256 = rows[0].sha256
        found = self._waiting.get(sha256)
        waiting = _Waiting(pixels) if found is None else found
        for row in rows:
            same = waiting.rows.get(row.attributor)
            if same is not None:
                same.append((row, position))
                continue
            before = self.ledger.by_content(row.attributor, sha256)
            if before is None:
                waiting.rows[row.attributor] = [(row, position)]
            else:
                self._put(row, position, *before)
        if found is None and waiting.rows:
            self._waiting[sha256] = waiting
            if len(self._waiting) >= self.batch_size:
                self.flush()

    def flush(self) -> None:
        """Score what is waiting."""
        if not self._waiting:
            return
        images = list(self._waiting.values())
        wanted = np.array([[name in image.rows for image in images] for name in self.names])
        batches = self._score(np.stack([image.pixels for image in images]), wanted)
        for name, batch in zip(self.names, batches, strict=True):
            self.screened += int(_screened(batch).sum())
            members = (image.rows[name] for image in images if name in image.rows)
            for index, rows in enumerate(members):
                self._record(rows, batch, index)
        self._waiting.clear()
        self.ledger.commit()  # a batch is dear: no later crash may lose it

    def _record(self, rows: Sequence[tuple[Row, int]], batch: ScoreBatch, index: int) -> None:
        """Enter one image's score for all keys it has."""
        score = float(batch.score[index])
        for row, position in rows:
            if np.isnan(score):
                failed = replace_row(row, outcome="failed", reason=NO_SCORE)
                self.ledger.add(failed, position)
            else:
                self._put(
                    row, position, score, float(batch.p[index]), bool(batch.attributed[index]),
                    bool(batch.converged[index]),
                )  # fmt: skip

    def _put(
        self, row: Row, position: int, score: float, p: float, attributed: bool, converged: bool
    ) -> None:
        self.found += attributed
        scored = replace_row(row, score=score, p=p, attributed=attributed, converged=converged)
        self.ledger.add(scored, position)

    def _score(self, pixels: Pixels, wanted: NDArray[np.bool_]) -> list[ScoreBatch]:
        try:
            return score_together(self.scorers, torch.from_numpy(pixels).float() / 255, wanted)
        except (MemoryError, RuntimeError) as error:
            if len(pixels) < 2 or not _out_of_memory(error):
                raise
            smaller = True
        except InversionError:
            if len(pixels) < 2:
                return [_unscored(int(mask.sum())) for mask in wanted]
            smaller = False  # one image is at fault: find it
        # Outside the except block: its traceback would keep the failed batch's tensors alive.
        half = (len(pixels) + 1) // 2
        if smaller:
            self.batch_size = min(self.batch_size, half)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        halves = (
            self._score(pixels[:half], wanted[:, :half]),
            self._score(pixels[half:], wanted[:, half:]),
        )
        return [_join(*parts) for parts in zip(*halves, strict=True)]


def _join(first: ScoreBatch, second: ScoreBatch) -> ScoreBatch:
    return ScoreBatch(
        score=np.concatenate([first.score, second.score]),
        p=np.concatenate([first.p, second.p]),
        attributed=np.concatenate([first.attributed, second.attributed]),
        converged=np.concatenate([first.converged, second.converged]),
        screened=np.concatenate([_screened(first), _screened(second)]),
    )


def _screened(batch: ScoreBatch) -> NDArray[np.bool_]:
    return np.zeros(len(batch.score), bool) if batch.screened is None else batch.screened


def _unscored(count: int) -> ScoreBatch:
    """Images without a score; NaN marks them."""
    no = np.zeros(count, bool)
    return ScoreBatch(np.full(count, np.nan), np.ones(count), no, no, no)


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
