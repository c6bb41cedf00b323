"""Pictures of the most certain findings, read again and checked against what was scored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.errors import ImageError, TargetError
from flipad_ops.samples.decode import decode
from flipad_ops.samples.image_space import Images
from flipad_ops.scanning.outcome.scan_outcome import Exhibit, ScanOutcome
from flipad_ops.storage import Item

#: The report shows at most this many.
SHOWN = 50


def collect_exhibits(
    outcome: ScanOutcome, scorers: Sequence[Scorer], shown: int = SHOWN
) -> list[Exhibit]:
    """Pictures for `outcome.of("leak", "review")`; an object that changed since is left out."""
    by_name = {label(scorer): scorer for scorer in scorers}
    targets = {target.uri: target for target in outcome.request.targets}
    exhibits = []
    for finding in outcome.of("leak", "review")[:shown]:
        row = finding.row
        scorer = by_name[row.attributor]
        try:
            item = Item(row.key, row.size, 0.0, row.etag)
            data = targets[row.target].read(item, outcome.request.limits.max_bytes).data
            if hashlib.sha256(data).hexdigest() != row.sha256:
                continue
            image = decode(data, outcome.request.limits)
            values, _ = scorer.space.take(data, image, outcome.request.size_rule)
            picture = scorer.space.picture(image, outcome.request.size_rule)
        except (TargetError, ImageError):
            continue
        batch = scorer.score(scorer.space.to_tensor(values[None]), residual=True)
        if batch.residual is not None and picture is not None:
            residual = residual_map(batch.residual[0])
            exhibits.append(Exhibit(finding, picture, residual))
    return exhibits


def reference_exhibit(
    scorers: Sequence[Scorer],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    """A held-out own sample of the first scorer that carries one, with its residual map."""
    for scorer in scorers:
        pixels = scorer.card.reference
        if pixels is not None:
            eight = pixels.transpose(2, 0, 1)
            tensor = Images(eight.shape).to_tensor(eight[None].copy())
            batch = scorer.score(tensor, residual=True)
            if batch.residual is not None:
                return pixels, residual_map(batch.residual[0])
    return None


def residual_map(residual: NDArray[np.float32]) -> NDArray[np.float32]:
    """(channels, height, width) to (height, width), mean absolute value."""
    return np.asarray(np.abs(residual).mean(axis=0), dtype=np.float32)
