"""Pictures of the most certain findings, read again and checked against what was scored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import Remaker, Scorer, SharingScorer, label
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import FlipadError, ImageError, TargetError
from flipad_ops.samples.decode import decode
from flipad_ops.samples.image_space import Images
from flipad_ops.scanning.decisions.records import Finding, Row
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
    chosen = outcome.of("leak", "review")[:shown]
    said = _testimonies(outcome, chosen)
    for finding in chosen:
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
        residual = unexplained(scorer, scorer.space.to_tensor(values[None]))
        if residual is not None and picture is not None:
            again = remade(scorer, said.get(_place(row)))
            exhibits.append(Exhibit(finding, picture, residual, again))
    return exhibits


def _testimonies(
    outcome: ScanOutcome, chosen: Sequence[Finding]
) -> dict[tuple[str, ...], Testimony]:
    """What was said of these findings, with the latents that `outcome.of` leaves out."""
    wanted = {_place(finding.row) for finding in chosen if finding.row.testimony is not None}
    rows = (finding.row for finding in outcome.notable()) if wanted else ()
    return {
        _place(row): row.testimony
        for row in rows
        if row.testimony is not None and _place(row) in wanted
    }


def _place(row: Row) -> tuple[str, ...]:
    return row.target, row.key, row.attributor


def remade(scorer: Scorer, testimony: Testimony | None) -> NDArray[np.uint8] | None:
    """The image as the scorer's generator makes it again and as it was altered, if it can."""
    if testimony is None or not testimony.latent or not isinstance(scorer, Remaker):
        return None
    try:
        return scorer.show(testimony)[1]
    except FlipadError:
        return None


def unexplained(scorer: Scorer, pixels: Tensor) -> NDArray[np.float32] | None:
    """Residual map of one image, (1, *space.shape); without the views' work where it can be had."""
    if not isinstance(scorer, SharingScorer):
        whole = scorer.score(pixels, residual=True).residual
        return None if whole is None else residual_map(whole[0])
    residual = torch.zeros(pixels.shape)
    if scorer.screen(pixels).needed[0]:
        residual = scorer.invert(pixels).residual.reshape(pixels.shape).cpu()
    return residual_map(residual[0].numpy())


def reference_exhibit(
    scorers: Sequence[Scorer],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    """A held-out own sample of the first scorer that carries one, with its residual map."""
    for scorer in scorers:
        pixels = scorer.card.reference
        if pixels is not None:
            eight = pixels.transpose(2, 0, 1)
            residual = unexplained(scorer, Images(eight.shape).to_tensor(eight[None].copy()))
            if residual is not None:
                return pixels, residual
    return None


def residual_map(residual: NDArray[np.float32]) -> NDArray[np.float32]:
    """(channels, height, width) to (height, width), mean absolute value."""
    return np.asarray(np.abs(residual).mean(axis=0), dtype=np.float32)
