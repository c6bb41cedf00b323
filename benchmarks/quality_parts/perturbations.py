"""The perturbations of the paper's Table 3, and WebP and resizing besides."""

from __future__ import annotations

from flipad_ops.attribution.augmentation import (
    Perturbation,
    blur,
    crop,
    noise,
    resize,
    through_file,
)

#: By name, as Table 3 lists them.
PERTURBATIONS: dict[str, Perturbation] = {
    "blur-3": lambda x, _: blur(x, 3),
    "crop-60/64": lambda x, source: crop(x, 60 / 64, source),
    "crop-55/64": lambda x, source: crop(x, 55 / 64, source),
    "noise-0.05": lambda x, source: noise(x, 0.05, source),
    "noise-0.1": lambda x, source: noise(x, 0.1, source),
    "jpeg-90": lambda x, source: through_file(x, "JPEG", (90, 90), source),
    "jpeg-80": lambda x, source: through_file(x, "JPEG", (80, 80), source),
    "webp-90": lambda x, source: through_file(x, "WEBP", (90, 90), source),
    "resize-0.75": lambda x, _: resize(x, 0.75),
}
