"""Pictures of the most certain findings, read again and checked against what was scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.scorer import (
    Illustrate,
    Likeness,
    Remaker,
    Scorer,
    SharingScorer,
    label,
)
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import FlipadError, ImageError, TargetError, first_line
from flipad_ops.samples.decode import decode
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.size_rule import match_channels
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.outcome.evidence import Evidence
from flipad_ops.scanning.outcome.exhibit import Exhibit
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

#: The report shows at most this many.
SHOWN = 50
#: A stage that takes a while.
REMAKING = "remake findings for the report"


def collect_exhibits(
    outcome: ScanOutcome,
    scorers: Sequence[Scorer],
    shown: int = SHOWN,
    copies: Path | None = None,
    illustrators: Callable[[str], Illustrate] | None = None,
    told: Callable[[str, int, int], None] = lambda stage, done, of: None,
) -> list[Exhibit]:
    """Pictures for `outcome.of("leak", "review")`; where the content is nowhere any more, none.

    Parameters
    ----------
    scorers : sequence of Scorer
        Of an attributor that is not among them the found image alone is shown.
    copies : Path, optional
        See `Evidence`.
    illustrators : callable, optional
        By an attributor's "name/version", who seeks likenesses of what no second witness remade;
        where that fails `outcome.warnings` says why.
    told : callable
        Of that, with a stage, how many images are done and of how many.
    """
    by_name = {label(scorer): scorer for scorer in scorers}
    limits = outcome.request.limits
    evidence = Evidence(outcome.request.targets, limits.max_bytes, copies)
    chosen = outcome.of("leak", "review")[:shown]
    said = _testimonies(outcome, chosen)
    exhibits: list[Exhibit] = []
    sought = defaultdict[str, dict[int, Tensor]](dict)
    for finding in chosen:
        row = finding.row
        try:
            data = evidence.find(row)
            image = decode(data, limits)
            scorer = by_name.get(row.attributor)
            if scorer is None:
                exhibits.append(Exhibit(finding, match_channels(image.pixels, 3), None))
                continue
            values, _ = scorer.space.take(data, image, outcome.request.size_rule)
            picture = scorer.space.picture(image, outcome.request.size_rule)
        except (TargetError, ImageError):
            continue
        pixels = scorer.space.to_tensor(values[None])
        residual = unexplained(scorer, pixels)
        if residual is not None and picture is not None:
            if row.testimony is None:
                sought[row.attributor][len(exhibits)] = pixels
            again = remade(scorer, said.get(_place(row)))
            exhibits.append(Exhibit(finding, picture, residual, again))
    if illustrators is None:
        return exhibits
    for name, images in sought.items():
        for number, one in _likenesses(outcome, name, images, illustrators, told).items():
            exhibits[number] = replace(exhibits[number], likeness=one)
    return exhibits


def _likenesses(
    outcome: ScanOutcome,
    name: str,
    images: Mapping[int, Tensor],
    illustrators: Callable[[str], Illustrate],
    told: Callable[[str, int, int], None],
) -> dict[int, Likeness]:
    told(REMAKING, 0, 0)
    try:
        found = illustrators(name)(torch.cat([*images.values()]), partial(told, REMAKING))
    except (FlipadError, RuntimeError) as error:  # also memory, in another's code
        why = first_line(error)
        outcome.warnings.append(f"The report shows no remade images for {name}: {why}")
        return {}
    return dict(zip(images, found, strict=True))


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
    """Residual map of one image, (1, *space.shape); without views and searches where it can be had,
    and of images too that were judged by their pixels."""
    if not isinstance(scorer, SharingScorer):
        whole = scorer.score(pixels, residual=True).residual
        return None if whole is None else residual_map(whole[0])
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
