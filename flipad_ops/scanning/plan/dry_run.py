"""What a scan would do, told from the listing alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.scanning.decisions.rules import needed_together
from flipad_ops.scanning.plan.scan_plan import ScanPlan


def preview(
    request: ScanPlan,
    scorers: Sequence[Scorer],
    progress: Callable[[int, int], None] = lambda done, found: None,
) -> dict[str, Any]:
    """Counts of objects, be they images or not, bytes, and what the calibration can decide.

    It lists and reads nothing.

    Raises
    ------
    TargetError
    NothingToScan
    """
    objects = size = large = 0
    for _, item in request.pick():
        objects += 1
        size += item.size
        large += item.size > request.limits.max_bytes
        progress(objects, 0)
    if not objects:
        raise request.nothing()
    return {
        "objects": objects,
        "bytes": size,
        "over_max_object_size": large,
        "targets": [target.uri for target in request.targets],
        "selection": request.selection.describe(),
        "fdr": request.fdr,
        "attributors": {
            label(scorer): _decidable(scorer, request.fdr, objects) for scorer in scorers
        },
    }


def write_preview(facts: dict[str, Any], as_json: bool, stream: TextIO) -> None:
    """As one JSON document, or in words."""
    if as_json:
        stream.write(json.dumps(facts, indent=2) + "\n")
        return
    stream.write(
        f"{facts['objects']} objects, {facts['bytes']} bytes; nothing was read, so it is not known "
        "how many of them are images that the scan can take\n"
    )
    if facts["over_max_object_size"]:
        stream.write(f"{facts['over_max_object_size']} are over --max-object-size\n")
    for name, about in facts["attributors"].items():
        stream.write(
            f"{name}: generator {about['generator']}, images {about['image']}, threshold "
            f"{about['threshold']:.4g}, smallest p {about['p_floor']:.2g}; at FDR {facts['fdr']:g} "
            f"a leak needs {about['needed_together']} equally strong images if all are images\n"
        )


def _decidable(scorer: Scorer, fdr: float, objects: int) -> dict[str, Any]:
    return {
        "generator": f"{scorer.card.generator_name}/{scorer.card.generator_version}",
        "image": scorer.space.describe(),
        "threshold": scorer.threshold,
        "p_floor": scorer.p_floor,
        "needed_together": needed_together(scorer.p_floor, objects, fdr),
    }
