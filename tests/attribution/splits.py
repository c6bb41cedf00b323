"""A source cut in three by hand, every image of its own origin."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flipad_ops.attribution.foreign_images import ForeignSplit


def split_of(
    train: Tensor,
    calibration: Tensor,
    test: Tensor,
    *,
    sibling: bool = False,
    generated: bool = False,
) -> ForeignSplit:
    sizes = [len(part) for part in (train, calibration, test)]
    origins = np.arange(sum(sizes))
    return ForeignSplit(
        train, calibration, test, True, sibling, generated,
        origins[sizes[0] : sizes[0] + sizes[1]], origins[sizes[0] + sizes[1] :], sum(sizes),
    )  # fmt: skip
