"""Residual maps as small PNG images on one fixed scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flipad_ops.samples.png import thumbnail_uri

#: Anchor colours from dark to bright, perceptually even; interpolated linearly.
_STOPS = np.array(
    [[13, 8, 38], [84, 15, 109], [187, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=np.float64
)


def colours(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values in [0, 1], any shape, to RGB uint8 (..., 3)."""
    place = np.clip(values, 0.0, 1.0) * (len(_STOPS) - 1)
    low = np.minimum(place.astype(int), len(_STOPS) - 2)
    weight = (place - low)[..., None]
    mixed = _STOPS[low] * (1 - weight) + _STOPS[low + 1] * weight
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def heat_uri(residual: NDArray[np.float32], scale: float) -> str:
    """(height, width) residuals to a PNG data URI; `scale` is the brightest value."""
    return thumbnail_uri(colours(residual.astype(np.float64) / max(scale, 1e-12)))


def bar_uri() -> str:
    """The colour bar, dark left to bright right."""
    ramp = np.linspace(0.0, 1.0, 128)[None].repeat(8, axis=0)
    return thumbnail_uri(colours(ramp))
