"""What happens to images on their way: lossy files, noise, blur, crops and resizing.

Every function takes and returns float32 (n, channels, height, width) in [0, 1] on the 8-bit grid,
of the same shape.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.generators import quantise
from flipad_ops.samples.png import to_image, to_uint8

Perturbation = Callable[[Tensor, torch.Generator], Tensor]


def through_file(images: Tensor, format: str, qualities: tuple[int, int],
                 source: torch.Generator) -> Tensor:  # fmt: skip
    """As lossy files of a quality drawn between two (both included) would show them.

    Parameters
    ----------
    images : Tensor, float32, (n, 1 or 3, height, width) in [0, 1]
    format : {"JPEG", "WEBP"}
    """
    made = []
    for image in images:
        quality = int(torch.randint(qualities[0], qualities[1] + 1, (), generator=source))
        pixels, file = to_uint8(image), io.BytesIO()
        to_image(pixels).save(file, format, quality=quality)
        mode = "L" if image.shape[0] == 1 else "RGB"
        back = np.array(Image.open(file).convert(mode)).reshape(pixels.shape)
        made.append(torch.from_numpy(back).permute(2, 0, 1).float() / 255)
    return torch.stack(made) if made else images


def noise(images: Tensor, size: float, source: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation `size`, in the generator's range [-1, 1]."""
    return quantise(images + size / 2 * torch.randn(images.shape, generator=source))


def blur(images: Tensor, kernel: int) -> Tensor:
    """A Gaussian of `kernel` pixels with OpenCV's width for it."""
    width = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    line = torch.exp(-0.5 * ((torch.arange(kernel) - kernel // 2) / width).square())
    taps = torch.outer(line, line) / line.sum().square()
    channels = images.shape[1]
    padded = F.pad(images, (kernel // 2,) * 4, mode="reflect")
    return quantise(F.conv2d(padded, taps.expand(channels, 1, kernel, kernel), groups=channels))


def crop(images: Tensor, share: float, source: torch.Generator) -> Tensor:
    """A window of `share` of the sides at a random place, resized back."""
    made = []
    height, width = images.shape[2:]
    rows, columns = round(share * height), round(share * width)
    for image in images:
        top, left = (
            int(torch.randint(n + 1, (), generator=source))
            for n in (height - rows, width - columns)
        )
        window = image[None, :, top : top + rows, left : left + columns]
        made.append(_resized(window, (height, width)))
    return torch.cat(made) if made else images


def shift(images: Tensor, source: torch.Generator) -> Tensor:
    """Moved by up to one pixel each way, edges replicated."""
    made = []
    for image in images:
        down, right = (int(torch.randint(-1, 2, (), generator=source)) for _ in range(2))
        padded = F.pad(image[None], (1, 1, 1, 1), mode="replicate")
        height, width = image.shape[1:]
        made.append(padded[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width])
    return torch.cat(made) if made else images


def resize(images: Tensor, factor: float) -> Tensor:
    """Scaled by `factor` and back."""
    height, width = images.shape[2:]
    smaller = _resized(images, (max(1, round(factor * height)), max(1, round(factor * width))))
    return _resized(smaller, (height, width))


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    scaled = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
    return quantise(scaled)


Mixture = dict[str, tuple[float, Perturbation]]

#: What `mixture` draws from, with how often: lossy files are what a bucket mostly holds.
LOSSY: Mixture = {
    "jpeg": (4.0, lambda x, source: through_file(x, "JPEG", (60, 96), source)),
    "webp": (1.0, lambda x, source: through_file(x, "WEBP", (60, 96), source)),
}
#: Everything, for a view of pixels that tells own from foreign whatever happened to both.
EVERYTHING: Mixture = {
    **LOSSY,
    "noise": (2.0, lambda x, source: noise(x, float(_between(source, 0.03, 0.12)), source)),
    "crop": (2.5, lambda x, source: crop(x, float(_between(source, 0.8, 0.97)), source)),
    "blur": (1.0, lambda x, _: blur(x, 3)),
    "more blur": (0.5, lambda x, _: blur(x, 5)),
    "resize": (1.5, lambda x, source: resize(x, float(_between(source, 0.5, 0.95)))),
}


#: What the second witness is calibrated on beside images as made: what leaves them in place, and
#: what it has to search for.
IN_PLACE: Mixture = {
    "made": (2.0, lambda x, _: x),
    "jpeg": (3.0, lambda x, source: through_file(x, "JPEG", (45, 98), source)),
    "webp": (1.0, lambda x, source: through_file(x, "WEBP", (60, 96), source)),
    "noise": (2.0, lambda x, source: noise(x, float(_between(source, 0.007, 0.12)), source)),
}
#: Of rich latents, which make what other alterations leave.
FILED: Mixture = {"jpeg": IN_PLACE["jpeg"]}
MOVED: Mixture = {
    "crop": (3.0, lambda x, source: crop(x, float(_between(source, 0.8, 0.98)), source)),
    "shift": (1.0, lambda x, source: shift(x, source)),
    "blur": (1.0, lambda x, _: blur(x, 3)),
    "more blur": (0.5, lambda x, _: blur(x, 5)),
    "resize": (2.0, lambda x, source: resize(x, float(_between(source, 0.5, 0.95)))),
    "resize, jpeg": (
        2.0,
        lambda x, source: through_file(
            resize(x, float(_between(source, 0.5, 0.95))), "JPEG", (70, 95), source
        ),
    ),
}


def can_perturb(shape: tuple[int, ...]) -> bool:
    """Whether samples of `shape` are grey or RGB images, which files can hold."""
    return len(shape) == 3 and shape[0] in (1, 3)


def mixture(images: Tensor, seed: int, kinds: Mixture) -> Tensor:
    """Every image perturbed in one way, drawn from `kinds`."""
    if not len(images):
        return images
    source = torch.Generator().manual_seed(seed)
    weights = torch.tensor([weight for weight, _ in kinds.values()])
    drawn = torch.multinomial(weights, len(images), replacement=True, generator=source)
    made = images.clone()
    for index, (_, perturb) in enumerate(kinds.values()):
        for row in (drawn == index).nonzero()[:, 0].tolist():
            made[row : row + 1] = perturb(images[row : row + 1], source)
    return made


def _between(source: torch.Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand((), generator=source)
