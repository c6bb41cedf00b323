"""Batches of scores: joined, added up, and made in halves where memory or an inversion fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import ScoreBatch, testimonies
from flipad_ops.common.errors import InversionError

Pixels = NDArray[Any]


def in_halves(
    attempt: Callable[[slice], list[ScoreBatch]],
    part: slice,
    shrink: Callable[[int], None],
    unscored: Callable[[slice], list[ScoreBatch]],
) -> list[ScoreBatch]:
    """Batches for `part` of the images, in halves where it cannot be done at once.

    Parameters
    ----------
    attempt : callable
        Scores a part of the images by one or several attributors.
    shrink : callable
        Told the size that a batch may have from now on when memory ran out.
    unscored : callable
        What stands for a single image whose inversion fails.
    """
    count = part.stop - part.start
    try:
        return attempt(part)
    except (MemoryError, RuntimeError) as error:
        if count < 2 or not out_of_memory(error):
            raise
        smaller = True
    except InversionError:
        if count < 2:
            return unscored(part)
        smaller = False  # one image is at fault: find it
    # Outside the except block: its traceback would keep the failed batch's tensors alive.
    middle = part.start + (count + 1) // 2
    if smaller:
        shrink(middle - part.start)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    halves = [
        in_halves(attempt, half, shrink, unscored)
        for half in (slice(part.start, middle), slice(middle, part.stop))
    ]
    return [join(batches) for batches in zip(*halves, strict=True)]


def join(parts: Sequence[ScoreBatch]) -> ScoreBatch:
    """Consecutive batches as one."""
    said = any(part.testimony is not None for part in parts)
    return ScoreBatch(
        score=np.concatenate([part.score for part in parts]),
        p=np.concatenate([part.p for part in parts]),
        attributed=np.concatenate([part.attributed for part in parts]),
        converged=np.concatenate([part.converged for part in parts]),
        screened=np.concatenate([flags(part.screened, part) for part in parts]),
        recompressed=np.concatenate([flags(part.recompressed, part) for part in parts]),
        testimony=tuple(chain.from_iterable(map(testimonies, parts))) if said else None,
        stages=summed([part.stages or {} for part in parts]) or None,
    )


def summed(costs: Iterable[Mapping[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    """Costs by stage added up: (images, seconds), in the order in which stages appear."""
    total: dict[str, tuple[int, float]] = {}
    for cost in costs:
        for name, (images, seconds) in cost.items():
            before = total.get(name, (0, 0.0))
            total[name] = (before[0] + images, before[1] + seconds)
    return total


def flags(given: NDArray[np.bool_] | None, batch: ScoreBatch) -> NDArray[np.bool_]:
    """Flags of a batch, (n,); False where the scorer gives none."""
    return np.zeros(len(batch.score), bool) if given is None else given


def unscored(count: int) -> ScoreBatch:
    """Images without a score; NaN marks them."""
    no = np.zeros(count, bool)
    return ScoreBatch(np.full(count, np.nan), np.ones(count), no, no, no)


def out_of_memory(error: Exception) -> bool:
    """Whether that is what an error says."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
