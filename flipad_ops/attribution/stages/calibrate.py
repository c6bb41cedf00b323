"""Fourth stage: the threshold and the null, from samples that no view was trained on."""

from __future__ import annotations

from flipad_ops.attribution.judgement import Calibration
from flipad_ops.attribution.lossy_calibration import calibrate_lossy
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.scoring import Scoring
from flipad_ops.detection import threshold_at_fnr


def calibrate(plan: Plan, scoring: Scoring) -> Calibration:
    """Put the views on one scale, set the threshold, score the null."""
    own, settings, detector = plan.own.calibration, plan.settings, scoring.detector
    scoring.run.begin("calibrate", len(own) + sum(len(s.calibration) for s in plan.splits.values()))
    own_views = scoring.views(own)
    if settings.fusion:
        # Other images than the threshold's: K scales from the same n would miss K / (n + 1).
        detector.parts[0].calibrate(own_views[0][::2].numpy(), settings.fnr)
        own_views = [views[1::2] for views in own_views]
    own_scores = detector.combine(own_views).numpy()
    threshold = threshold_at_fnr(own_scores, settings.fnr)
    if settings.fusion:
        detector.cutoff.fill_(threshold)
    null = {name: scoring.score(split.calibration, True) for name, split in plan.splits.items()}
    lossy_null = calibrate_lossy(detector, own, plan.splits, settings, threshold, plan.device)
    origins = {name: split.calibration_origins for name, split in plan.splits.items()}
    return Calibration(threshold, own_scores, null, lossy_null, origins=origins)
