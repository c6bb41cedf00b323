"""One lane per attributor: collects decoded images into batches, scores them, fills the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import (
    ScoreBatch,
    Scorer,
    SiftingScorer,
    label,
    testimonies,
)
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.ledger.ledger import Ledger, Scored
from flipad_ops.scanning.pipeline.batches import Pixels, flags, out_of_memory, summed
from flipad_ops.scanning.pipeline.joint_scorers import Joint

#: Rows with the same content, each with its position in the listing.
Members = list[tuple[Row, int]]
#: Of a batch, the most that are set aside until there are enough of them for a batch.
FEW = 0.5
NO_SCORE = "The inversion gave no finite score."
RECOMPRESSED = (
    "Out of a lossy file: told by its pixels among recompressed images; versions of the model, and "
    "others trained on the same data, are not told apart."
)


class Lane:
    """Scores for one attributor; the same bytes under many keys are scored once.

    Parameters
    ----------
    scorer : Scorer
    ledger : Ledger
    batch_size : int
        Halved, for good, whenever a batch does not fit into memory.

    Attributes
    ----------
    found, screened : int
        Images attributed, and images that needed no inversion to be ruled out.
    stages : dict of name to (images, seconds)
        What the scores cost, where the scorer says so.
    """

    def __init__(self, scorer: Scorer, ledger: Ledger, batch_size: int) -> None:
        self.scorer, self.ledger = scorer, ledger
        self.joint = Joint([scorer], batch_size)
        self.name, self.space = label(scorer), scorer.space
        self.found = self.screened = 0
        self.stages: dict[str, tuple[int, float]] = {}
        self._pixels: dict[str, Pixels] = {}
        self._rows: dict[str, Members] = {}
        self._set_aside: dict[str, Pixels] = {}

    @property
    def batch_size(self) -> int:
        """Images scored at a time."""
        return self.joint.batch_size

    def add(self, row: Row, position: int, pixels: Pixels) -> None:
        """Take one image; scores when a batch is full."""
        same = self._rows.get(row.sha256)
        if same is not None:
            same.append((row, position))
            return
        before = self.ledger.by_content(self.name, row.sha256)
        if before is not None:
            self._put(row, position, before)
            return
        self._pixels[row.sha256] = pixels
        self._rows[row.sha256] = [(row, position)]
        if len(self._pixels) >= self.batch_size:
            self._score_full()

    def flush(self) -> None:
        """Score what is waiting."""
        self._set_aside |= self._pixels
        self._pixels.clear()
        while self._set_aside:
            whole = dict(islice(self._set_aside.items(), self.batch_size))
            for sha256 in whole:
                del self._set_aside[sha256]
            self._enter_scores(whole)

    def _score_full(self) -> None:
        self._set_promising_aside()
        self._enter_scores(self._pixels)
        if len(self._set_aside) >= self.batch_size:
            self._enter_scores(self._set_aside)

    def _set_promising_aside(self) -> None:
        # A search costs as much for one image as for a batch: few are collected to be one.
        if not (isinstance(self.scorer, SiftingScorer) and self.scorer.sifts):
            return
        chosen = promising(self.scorer, self.space.to_tensor(np.stack(list(self._pixels.values()))))
        if chosen.mean() <= FEW:
            for sha256 in [s for s, wanted in zip(self._pixels, chosen, strict=True) if wanted]:
                self._set_aside[sha256] = self._pixels.pop(sha256)

    def _enter_scores(self, waiting: dict[str, Pixels]) -> None:
        if waiting:
            rows = [self._rows.pop(sha256) for sha256 in waiting]
            pixels = np.stack(list(waiting.values()))
            waiting.clear()
            self.enter(rows, self.score(pixels))

    def enter(self, rows: Sequence[Members], batch: ScoreBatch) -> None:
        """Put the scores of a batch into the ledger, for all keys of each image."""
        if batch.screened is not None:
            self.screened += int(batch.screened.sum())
        self.stages = summed([self.stages, batch.stages or {}])
        recompressed, said = flags(batch.recompressed, batch), testimonies(batch)
        for index, members in enumerate(rows):
            if np.isnan(batch.score[index]):
                for row, position in members:
                    failed = replace_row(row, outcome="failed", reason=NO_SCORE)
                    self.ledger.add(failed, position)
                continue
            told = (self.scorer.card.basis, RECOMPRESSED if recompressed[index] else "")
            for row, position in members:
                scored = Scored(
                    float(batch.score[index]),
                    float(batch.p[index]),
                    bool(batch.attributed[index]),
                    bool(batch.converged[index]),
                    " ".join(filter(None, (row.reason, *told))),
                    said[index],
                )
                self._put(row, position, scored)
        self.ledger.commit()  # a batch is dear: no later crash may lose it

    def _put(self, row: Row, position: int, scored: Scored) -> None:
        self.found += scored.attributed
        self.ledger.add(replace_row(row, **scored._asdict()), position)

    def score(self, pixels: Pixels) -> ScoreBatch:
        """Scores of a batch, in halves where it does not fit into memory; NaN for none."""
        return self.joint.score(pixels, np.ones((1, len(pixels)), bool))[0]


def promising(scorer: SiftingScorer, pixels: Tensor) -> NDArray[np.bool_]:
    """Whose score will be dear, (n,); nobody's where the question does not fit into memory."""
    try:
        return scorer.promising(pixels)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return np.zeros(len(pixels), bool)
