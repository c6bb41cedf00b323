"""Own images as others write them: floating point becomes 8 bits in more ways than by rounding.

`(255 * x).astype(uint8)` cuts off, `(256 * x).astype(uint8)` divides evenly, and half of all
scripts do one of the two. A fit sees rounded samples; its card states what it finds of the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.own_samples import own_latents
from flipad_ops.detection import Rate
from flipad_ops.generators import EIGHT_BIT, SplitGenerator

#: By name: pixels in [0, 1] as a file stores them, in [0, 1] again.
CONVENTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "truncated": lambda x: (255 * x).floor() / 255,
    "times 256": lambda x: (256 * x).floor().clamp_max(255) / 255,
}


def written_otherwise(
    generator: SplitGenerator, settings: FitSettings, count: int
) -> dict[str, Tensor]:
    """The first `count` own test samples by convention, (n, *sample_shape) float32 in [0, 1]; none
    where samples are no images of 8 bits."""
    if generator.grid != EIGHT_BIT or len(generator.sample_shape) != 3:
        return {}
    if not generator.layer.inverts:
        return {}
    first = settings.own_train + settings.own_calibration
    latents = own_latents(generator, settings)[first : first + count]
    parts = [generator.run(some)[0] for some in torch.split(latents, 64)]
    pixels = torch.cat([generator.output_map.to_pixels(outputs) for outputs in parts]).clamp(0, 1)
    return {name: convert(pixels) for name, convert in CONVENTIONS.items()}


def found_rate(scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    """Of (n,) scores of own samples, see `Rate`."""
    return vars(Rate.of(int((scores <= threshold).sum()), len(scores)))
