"""Images whose score is dear wait until there are enough of them for a batch."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.lanes import Lane
from tests.scanning.fakes import DarkIsOurs


class DarkIsDear(DarkIsOurs):
    """Notes the batches it scores; dark images are worth a search."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[bool]] = []

    sifts = True

    def promising(self, pixels: Tensor) -> NDArray[np.bool_]:
        dark: NDArray[np.bool_] = (pixels.flatten(1).mean(dim=1) < 0.2).numpy()
        return dark

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        self.batches.append(self.promising(pixels).tolist())
        return super().score(pixels, residual)


def test_few_promising_images_are_scored_together_and_none_is_lost() -> None:
    scorer, ledger = DarkIsDear(), SqliteLedger()
    lane_name = f"{scorer.name}/{scorer.version}"
    ledger.begin({"models": {lane_name: "a"}})
    lane = Lane(scorer, ledger, 4)
    levels = [200 + n if n % 4 else n for n in range(24)]  # every fourth is dark
    for position, level in enumerate(levels):
        pixels = np.full((8, 8, 3), level, np.uint8)
        sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
        row = Row(f"{position}.png", "folder", 1, "scored", lane.name, sha256=sha256)
        lane.add(row, position, pixels)
    lane.flush()
    assert sum(map(len, scorer.batches)) == len(levels)
    assert lane.found == 6
    dark = [batch for batch in scorer.batches if any(batch)]
    assert dark[0] == [True] * 4  # the first four waited for each other
    assert len(dark) <= 2
