"""Scores of a detector that is being calibrated, like those of the attributor to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.inversion_runs import Inversions
from flipad_ops.detection import Detector, FeatureMap


@dataclass(frozen=True, eq=False)
class Scoring:
    """Inverts and scores images of a fit, a few at a time."""

    run: Inversions
    features: FeatureMap
    detector: Detector
    device: str

    def views(self, images: Tensor) -> list[Tensor]:
        """Unscaled scores of each branch, (n, count) float64, on the CPU."""
        chunks = [
            self.detector.views(self.features(z), z, x)
            for z, x in ((z.to(self.device), x.to(self.device)) for z, x in self.run.stream(images))
        ]
        return [torch.cat(parts).cpu() for parts in zip(*chunks, strict=True)]

    def score(self, images: Tensor, as_made: bool = False) -> NDArray[np.float64]:
        """(n,) scores; see `Detector.screen`."""
        screen = self.detector.screen(images.to(self.device), as_made)
        scores, rows = screen.score.cpu(), (~screen.decided.cpu()).nonzero()[:, 0]
        self.run.skip(len(images) - len(rows))
        if len(rows):
            scores[rows] = self.detector.combine(self.views(images[rows]))
        return scores.numpy()
