"""A recorded testimony, checked again: by a new search, and by its own latent without a search."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from flipad_ops.attribution.scorer import Remaker, Scorer
from flipad_ops.attribution.testimony import BOUNDS, Testimony
from flipad_ops.common.errors import FlipadError, RecordAltered
from flipad_ops.scanning.outcome.tolerances import DECIBELS, SEARCH_TOLERANCE

State = Literal["confirmed", "differs", "unavailable"]
_WORSE: tuple[State, ...] = ("confirmed", "unavailable", "differs")


@dataclass(frozen=True)
class Remade:
    """What came of making an image again from its recorded latent."""

    state: State
    reasons: tuple[str, ...] = ()


def said_again(recorded: Testimony | None, now: Testimony | None) -> Iterator[str]:
    """What a new search says otherwise than the recorded one; one sentence each."""
    if recorded is None and now is None:
        return
    if recorded is None or now is None:
        silent, spoke = ("now", "then") if now is None else ("then", "now")
        yield f"The second witness says nothing {silent}, and spoke {spoke}."
        return
    if now.words != recorded.words:
        yield f"The alteration is {now.words!r}, recorded was {recorded.words!r}."
    if not math.isclose(now.ratio, recorded.ratio, rel_tol=SEARCH_TOLERANCE):
        yield (
            f"The remade image is {now.ratio:.4g} times as far as allowed, recorded was "
            f"{recorded.ratio:.4g}."
        )
    if now.witnesses != recorded.witnesses and not near_threshold(recorded):
        yield f"Witnesses: {now.witnesses}, recorded was {recorded.witnesses}."


def near_threshold(testimony: Testimony | None) -> bool:
    """Whether another search may fall on the other side of the second witness's threshold."""
    return testimony is not None and math.isclose(testimony.ratio, 1, rel_tol=SEARCH_TOLERANCE)


def regenerate(recorded: Testimony | None, scorer: Scorer, pixels: Tensor) -> Remade:
    """Make the image again from the recorded latent and compare its distance with the record.

    Parameters
    ----------
    pixels : Tensor, float32, (*space.shape), in [0, 1]
        The found image.
    """
    if recorded is None or not recorded.latent:
        return Remade("unavailable", ("No latent is recorded from which to make the image again.",))
    try:
        recorded.latents()
    except RecordAltered as error:
        return Remade("differs", (str(error),))
    if not isinstance(scorer, Remaker):
        reason = f"The image cannot be made again: {scorer.name} has no generator at hand."
        return Remade("unavailable", (reason,))
    try:
        psnr = min(scorer.distance(pixels, recorded), BOUNDS["psnr"][1])
    except FlipadError as error:
        return Remade("unavailable", (f"The image cannot be made again: {error}",))
    if not abs(psnr - recorded.psnr) <= DECIBELS:  # NaN differs
        reason = (
            f"The image made from the recorded latent is {psnr:.2f} dB from the found one, "
            f"recorded was {recorded.psnr:.2f} dB."
        )
        return Remade("differs", (reason,))
    return Remade("confirmed")


def worse(one: State, other: State) -> State:
    """What both say together: a difference counts for more than something that is missing."""
    return max(one, other, key=_WORSE.index)
