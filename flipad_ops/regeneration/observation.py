"""What a file tells about the image it was made of: a box its pixels or coefficients lie in."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from flipad_ops.detection.bands import BLOCK
from flipad_ops.detection.jpeg import YCBCR, dct_matrix
from flipad_ops.detection.lossy_traces import colour_trace, jpeg_quality, quantisation_steps

#: Squared error of pixels rounded to 8 bits, and, roughly, of lossy files that are no JPEG.
ROUNDING, OTHER_LOSSY = 1 / 12 / 255**2, 3e-5


class Observation(Protocol):
    """Boxes of a batch of images."""

    def distance(self, made: Tensor) -> Tensor:
        """Mean squared distance of (n, channels, height, width) images to the box, (n,), in
        squared pixels of [0, 1]."""
        ...


class PixelBox:
    """Within half a step of the stored value; black and white may have been clipped.

    Parameters
    ----------
    pixels : Tensor, float32, (n, channels, height, width) in [0, 1]
    step : float
        Between neighbouring stored values.
    """

    def __init__(self, pixels: Tensor, step: float) -> None:
        self.pixels, self.step = pixels, step
        low, high = pixels - step / 2, pixels + step / 2
        self.low = torch.where(pixels <= 0, -torch.inf, low)
        self.high = torch.where(pixels >= 1, torch.inf, high)

    def distance(self, made: Tensor) -> Tensor:
        """See `Observation`."""
        return (made - made.clamp(self.low, self.high)).square().flatten(1).mean(dim=1)


class JpegBox:
    """Within half a quantisation step of each luminance coefficient of the file.

    Colours are left out: most files keep them at half the size.

    Parameters
    ----------
    pixels : Tensor, float32, (n, 1 or 3, height, width) in [0, 1]
        Decoded, the file's blocks aligned with the corner; what is beyond whole blocks is left out.
    quality : Tensor, int64, (n,)
        Of IJG's tables.
    """

    def __init__(self, pixels: Tensor, quality: Tensor) -> None:
        self.pixels, self.quality = pixels, quality
        steps = torch.stack([quantisation_steps(int(q)) for q in quality])
        steps = steps.reshape(-1, 1, BLOCK, 1, BLOCK).float().to(pixels.device)
        self._basis = dct_matrix().float().to(pixels.device)
        self._colour = torch.tensor(YCBCR[0], dtype=torch.float32, device=pixels.device)
        level = (self._coefficients(pixels) / steps).round() * steps
        self.low, self.high = level - steps / 2, level + steps / 2

    def distance(self, made: Tensor) -> Tensor:
        """See `Observation`."""
        at = self._coefficients(made)
        beyond = (at - at.clamp(self.low, self.high)) / 255
        return beyond.square().flatten(1).mean(dim=1)

    def _coefficients(self, pixels: Tensor) -> Tensor:
        """(n, rows, BLOCK, columns, BLOCK) in grey levels, 128 taken off."""
        grey = pixels[:, 0]
        if pixels.shape[1] == 3:
            grey = (pixels * self._colour[:, None, None]).sum(dim=1)
        rows, columns = grey.shape[1] // BLOCK, grey.shape[2] // BLOCK
        grey = 255 * grey[:, : rows * BLOCK, : columns * BLOCK] - 128
        blocks = grey.reshape(-1, rows, BLOCK, columns, BLOCK)
        return torch.einsum("ua,vb,nrasb->nrusv", self._basis, self._basis, blocks)


class FileBox:
    """The JPEG box of images that show a file's quality, the pixel box of the others.

    Parameters
    ----------
    pixels, step
        See `PixelBox`.
    quality : Tensor, int64, (n,)
        0 for none.
    """

    def __init__(self, pixels: Tensor, step: float, quality: Tensor) -> None:
        self._pixels, self._lossy = PixelBox(pixels, step), quality > 0
        self._rows = self._lossy.nonzero()[:, 0]
        self._jpeg = JpegBox(pixels[self._rows], quality[self._rows]) if len(self._rows) else None

    def distance(self, made: Tensor) -> Tensor:
        """See `Observation`."""
        found = self._pixels.distance(made)
        if self._jpeg is None:
            return found
        return found.index_copy(0, self._rows, self._jpeg.distance(made[self._rows]))


def file_noise(pixels: Tensor, looked: bool = True) -> Tensor:
    """Squared error that rounding leaves at most on average, of pixels or, where a lossy file
    shows and is looked for, of its coefficients, (n,) float64 in squared pixels of [0, 1]."""
    noise = torch.full((len(pixels),), ROUNDING, dtype=torch.float64, device=pixels.device)
    if not looked:
        return noise
    noise[colour_trace(pixels)] = OTHER_LOSSY
    for row, quality in enumerate(compressed(pixels).tolist()):
        if quality:
            noise[row] = float(quantisation_steps(quality).square().mean()) / 12 / 255**2
    return noise


def compressed(pixels: Tensor) -> Tensor:
    """Quality of the JPEG file that each image comes from, (n,) int64; 0 where none shows."""
    return jpeg_quality(pixels)
