"""A scorer whose decisions are plain: dark images are ours."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flipad_ops.attribution.scorer import AttributorCard, ScoreBatch
from flipad_ops.samples.image_space import Images


class DarkIsOurs:
    """Score = mean brightness; threshold 0.2; nulls spread evenly over (0.3, 1]."""

    def __init__(
        self, shape: tuple[int, int, int] = (3, 8, 8), nulls: int = 999, name: str = "dark"
    ) -> None:
        self.name, self.version, self.threshold = name, "1", 0.2
        self.space = Images(shape)
        self.null = np.linspace(0.3, 1.0, nulls)
        self.p_floor = 1 / (nulls + 1)
        own = np.linspace(0.0, 0.2, 50)
        self.card = AttributorCard(
            attributor_name=name,
            attributor_version="1",
            attributor_sha256="a" * 64,
            generator_name="night",
            generator_version="3",
            final_layer_sha256="b" * 64,
            decoder_sha256="c" * 64,
            equivalence_class=("night/3",),
            threshold=0.2,
            target_fnr=0.005,
            n_own_calibration=50,
            strata={"photos": nulls},
            measured={"tpr": (0.99, 0.95, 1.0), "photos": (0.0, 0.0, 0.01)},
            own_scores=tuple(own.tolist()),
            null_scores={"photos": tuple(self.null.tolist())},
            code_version="test",
            seed=0,
            alpha=0.01,
            solver="auto",
            tolerance=0.01,
            reference=np.zeros((shape[1], shape[2], shape[0]), np.uint8),
        )

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        score = pixels.mean(dim=(1, 2, 3)).double().numpy()
        p = (1 + np.searchsorted(self.null, score, side="right")) / (len(self.null) + 1)
        return ScoreBatch(
            score=score,
            p=p,
            attributed=score <= self.threshold,
            converged=np.ones(len(score), bool),
            residual=pixels.numpy() if residual else None,
        )
