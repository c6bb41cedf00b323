"""Fifth stage: rates on samples used neither for training nor for calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.conventions import found_rate, written_otherwise
from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.attribution.foreign_images import SELF_MADE, held_out_origins
from flipad_ops.attribution.judgement import Calibration
from flipad_ops.attribution.lossy_calibration import evaluate_lossy
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.scoring import Scoring

#: Own test samples that are written in other ways too.
OTHERWISE = 100


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Held-out figures, see `evaluate_scores`, and the scores of "own" and each stratum by the
    first witness."""

    figures: dict[str, Any]
    scores: dict[str, NDArray[np.float64]]


def held_out_foreign(plan: Plan) -> dict[str, Tensor]:
    """The test images of each source, and the relatives made for the test if there are any."""
    foreign = {name: split.test for name, split in plan.splits.items()}
    if len(plan.relatives.images):
        foreign[SELF_MADE] = plan.relatives.images
    return foreign


def evaluate(plan: Plan, scoring: Scoring, calibration: Calibration) -> Evaluated:
    """Score the test parts as the attributor would."""
    test, threshold = plan.own.test, calibration.threshold
    foreign = held_out_foreign(plan)
    others = written_otherwise(plan.generator, plan.settings, OTHERWISE)
    total = len(test) + sum(map(len, foreign.values())) + sum(map(len, others.values()))
    scoring.run.begin("evaluate", total)
    ours = scoring.score(test)
    strata = {name: scoring.score(images) for name, images in foreign.items()}
    figures = evaluate_scores(ours, strata, threshold, held_out_origins(plan.splits))
    if calibration.recompressed_null_scores:
        figures["recompressed"] = evaluate_lossy(
            scoring.detector, test, plan.splits, plan.settings, threshold
        )
    if others:
        figures["conventions"] = {
            name: found_rate(scoring.score(images), threshold) for name, images in others.items()
        }
    return Evaluated(figures, {"own": ours, **strata})
