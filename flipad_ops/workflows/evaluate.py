"""How well does an attributor do on images whose origin is known?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.common.errors import NothingToScan, UsageError
from flipad_ops.storage import AS_CONFIGURED, S3Access


@dataclass(frozen=True)
class EvaluateRequest:
    """What to measure on.

    Parameters
    ----------
    model : str
        As `scan` takes it: NAME, NAME/VERSION, NAME@ALIAS or an attributor's folder.
    own : str
        Folder or s3://BUCKET/PREFIX of images that the generator made.
    foreign : mapping of str to str
        Name of a source to its place.
    workers : int or None
        Decoding processes; None takes one per core, 0 decodes in this process.
    allow_pickle : bool
        Load a pickled generator of a second witness whose owner opted in.
    """

    model: str
    own: str
    foreign: Mapping[str, str]
    access: S3Access = AS_CONFIGURED
    workers: int | None = None
    batch_size: int = 64
    device: str = "cpu"
    tracking_uri: str | None = None
    allow_pickle: bool = False


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """What was measured.

    Parameters
    ----------
    attributor : str
        NAME/VERSION.
    threshold : float
    evaluation : mapping
        "tpr" and per foreign source "fpr", "auc", "accuracy"; see `attribution.evaluation`.
    scores : mapping of "own" and each source to (n,) float64
    unread : int
        Objects that gave no score.
    """

    attributor: str
    threshold: float
    evaluation: Mapping[str, Any]
    scores: Mapping[str, NDArray[np.float64]]
    unread: int


def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Score images of known origin and give the rates at the attributor's threshold.

    Raises
    ------
    UsageError
        A source named "own", or a place that is named twice.
    NothingToScan
        A place holds no image that can be scored.
    AttributorError, TargetError
    """
    if "own" in request.foreign:
        raise UsageError("A foreign source cannot be called 'own'.")
    from flipad_ops.attribution.evaluation import evaluate_scores
    from flipad_ops.attribution.scorer import label
    from flipad_ops.registry.scorers import load_scorers
    from flipad_ops.scanning.pipeline.run import run_scan
    from flipad_ops.scanning.plan.samples_within import with_tables
    from flipad_ops.scanning.plan.scan_plan import ScanPlan
    from flipad_ops.storage import open_target

    places = {"own": request.own, **request.foreign}
    targets = [open_target(place, request.access) for place in places.values()]
    (scorer,) = load_scorers(
        [request.model], False, request.device, request.tracking_uri, request.allow_pickle
    )
    plan = ScanPlan(targets, batch_size=request.batch_size, workers=request.workers)
    outcome = run_scan(with_tables(plan, [scorer]), [scorer])
    names = {target.uri: name for name, target in zip(places, targets, strict=True)}
    found: dict[str, list[float]] = {name: [] for name in places}
    for finding in outcome.findings:
        if finding.row.score is not None:
            found[names[finding.row.target]].append(finding.row.score)
    for name, values in found.items():
        if not values:
            raise NothingToScan(f"{places[name]} holds no image that can be scored.")
    scores = {name: np.array(values) for name, values in found.items()}
    foreign = {name: values for name, values in scores.items() if name != "own"}
    return EvaluateResult(
        attributor=label(scorer),
        threshold=scorer.threshold,
        evaluation=evaluate_scores(scores["own"], foreign, scorer.threshold),
        scores=scores,
        unread=len(outcome.skipped) + len(outcome.failed),
    )
