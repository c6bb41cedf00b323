"""Arrays as decoding gives them to numbers in [0, 1], as attributors take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.quantisation import SIXTEEN_BIT, Grid
from flipad_ops.samples.sample_kinds import DeepShape, Sample, Values


def sample_of(shape: tuple[int, ...], grid: Grid, columns: Columns | None) -> Sample:
    """What an attributor for samples of `shape` takes.

    Raises
    ------
    UsageError
        Samples that are neither images nor rows with named columns.
    """
    if columns is not None:
        return columns
    if len(shape) != 3:
        raise UsageError(
            f"This attributor is for samples of shape {list(shape)}, neither images nor rows of a "
            "table with named columns."
        )
    channels, height, width = shape
    deep = grid == SIXTEEN_BIT
    return DeepShape(channels, height, width) if deep else (channels, height, width)


def as_pixels(values: Values) -> Tensor:
    """Arrays (n, ...) to float32 in [0, 1]; rows of a table are that already."""
    if values.dtype == np.uint8:
        return torch.from_numpy(values).float() / 255
    if values.dtype == np.uint16:
        return torch.from_numpy(values.astype(np.int32)).float() / 65535
    return torch.from_numpy(values)
