"""Last part of the second witness's stage: how seldom a foreign image comes near by both."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.joint_tail import Followed, JointTail, both
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.scoring import Scoring
from flipad_ops.detection.exponential_tail import LEAST
from flipad_ops.detection.null import origin_weights
from flipad_ops.regeneration.pursuit import pursue
from flipad_ops.regeneration.regenerator import Regenerator

#: Own images that say which of the witnesses tells more.
OWN = 60


def fit_tail(plan: Plan, scoring: Scoring, regenerator: Regenerator) -> JointTail | None:
    """Of all foreign calibration images as they are; None where there are too few.

    Parameters
    ----------
    scoring : Scoring
        The first witness, calibrated.
    regenerator : Regenerator
        Calibrated.
    """
    least = plan.settings.regeneration.foreign

    def followed(images: Tensor, count: int) -> tuple[Tensor, np.ndarray]:
        rows, beyond = pursue(regenerator, images.to(plan.device), count)
        rows = rows.cpu()
        if not len(rows):
            return rows, np.zeros((0, 0))
        views = scoring.detector.apart(scoring.views(images[rows]))
        return rows, both(views.cpu().numpy(), beyond.cpu().numpy())

    def source(split: ForeignSplit) -> Followed:
        rows, far = followed(split.calibration, least)
        count, shares = origin_weights(split.calibration_origins)
        return Followed(far, split.calibration_origins[rows], count * shares[rows], count)

    if sum(len(split.calibration) for split in plan.splits.values()) < 2 * LEAST:
        return None
    foreign = {name: source(split) for name, split in plan.splits.items()}
    if sum(len(part.far) for part in foreign.values()) < 2 * LEAST:
        return None
    _, own = followed(plan.own.calibration[:OWN], OWN)
    return JointTail.of(own, foreign, stream(plan.settings.seed, "tail"))
