"""Fourth stage: the threshold and the null, from samples that no view was trained on."""

from __future__ import annotations

from flipad_ops.attribution.augmentation import mixture
from flipad_ops.attribution.judgement import Calibration
from flipad_ops.attribution.lossy_calibration import calibrate_lossy
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.scoring import Scoring
from flipad_ops.detection import threshold_at_fnr

#: False negative rate of the branch for altered images, each of whose views has its own threshold.
ALTERED_FNR = 0.02


def calibrate(plan: Plan, scoring: Scoring, altered: int) -> Calibration:
    """Put the views on one scale, set the threshold, score the null.

    Parameters
    ----------
    altered : int
        How many altered own images the detector was trained on; of calibration images as many
        at most.
    """
    own, settings, detector = plan.own.calibration, plan.settings, scoring.detector
    made = mixture(own[:altered], stream(settings.seed, "own calibration altered"))
    total = len(own) + len(made) + sum(len(s.calibration) for s in plan.splits.values())
    scoring.run.begin("calibrate", total)
    own_views = scoring.views(own)
    if settings.fusion:
        detector.parts[0].calibrate(own_views[0].numpy(), settings.fnr)
        for branch in detector.parts[1:]:
            branch.calibrate(scoring.views(made)[1].numpy(), ALTERED_FNR)
    own_scores = detector.combine(own_views).numpy()
    threshold = threshold_at_fnr(own_scores, settings.fnr)
    if settings.fusion:
        detector.cutoff.fill_(threshold)
    null = {name: scoring.score(split.calibration, True) for name, split in plan.splits.items()}
    lossy_null = calibrate_lossy(detector, own, plan.splits, settings, threshold, plan.device)
    return Calibration(threshold, own_scores, null, lossy_null)
