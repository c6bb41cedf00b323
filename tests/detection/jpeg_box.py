"""JPEG-aware targets: the file's quantisation cells as a box in the DCT domain.

A JPEG file stores `k = round(DCT(image) / q)` with its own tables q, so the encoded image
lies in the box `[(k - 1/2) q, (k + 1/2) q]`. Where sigma is the identity the map from L(z) to
DCT coefficients is linear and the lasso stays convex. Elsewhere it does not, and the pixel box
has to do: linearised by Gauss-Newton at a tanh, the DCT box recovered less of four faces at quality
90 (cosine to the true deviation .11, against .15 from the pixel box).
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.common.errors import InversionError, UsageError
from flipad_ops.detection.jpeg import YCBCR, dct_matrix
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion.operators.operator import LinearOperator
from flipad_ops.inversion.terms import Box


class JpegTransform:
    """Pixels in [0, 1] to DCT coefficients in the file's units; linear up to a constant.

    Parameters
    ----------
    tables : Tensor, (channels, 8, 8)
        Quantisation steps per channel; 4:4:4 or greyscale (chroma must not be subsampled).
    """

    def __init__(self, tables: Tensor) -> None:
        if tables.dim() != 3 or tables.shape[0] not in (1, 3) or tables.shape[1:] != (8, 8):
            raise UsageError("Expected one 8x8 quantisation table for each of 1 or 3 channels.")
        self.tables = tables
        self.dct = dct_matrix()
        self.colour = torch.tensor(YCBCR, dtype=torch.float64)

    def linear(self, pixels: Tensor) -> Tensor:
        """(batch, channels, height, width), sides multiples of 8; same shape, scaled by 255."""
        image = 255.0 * pixels
        if image.shape[1] == 3:
            image = torch.einsum("oc,bchw->bohw", self.colour.to(image), image)
        return self._blockwise(image, self.dct.to(image))

    def transpose(self, coefficients: Tensor) -> Tensor:
        """Adjoint of `linear`."""
        image = self._blockwise(coefficients, self.dct.T.to(coefficients))
        if image.shape[1] == 3:
            image = torch.einsum("oc,bohw->bchw", self.colour.to(image), image)
        return 255.0 * image

    def box(self, pixels: Tensor) -> Box:
        """Quantisation cells of decoded pixels, in the units of `linear`."""
        coefficients = self.linear(pixels.double())
        repeat = (1, pixels.shape[2] // 8, pixels.shape[3] // 8)
        steps = self.tables.double().repeat(*repeat)
        # The encoder subtracts 128 from luma (and none from the centred chroma used here).
        shift = torch.zeros_like(coefficients)
        shift[:, 0, ::8, ::8] = 8 * 128.0
        centre = torch.round((coefficients - shift) / steps) * steps + shift
        return Box((centre - steps / 2).float(), (centre + steps / 2).float())

    @staticmethod
    def _blockwise(image: Tensor, matrix: Tensor) -> Tensor:
        batch, channels, height, width = image.shape
        if height % 8 or width % 8:
            raise InversionError("JPEG targets need image sides that are multiples of 8.")
        blocks = image.reshape(batch, channels, height // 8, 8, width // 8, 8)
        out = torch.einsum("ur,vs,bcirjs->bciujv", matrix, matrix, blocks)
        return out.reshape(image.shape)


class JpegOperator:
    """DCT coefficients of W z, in units of one output: the transform scaled to norm about 1."""

    def __init__(
        self, base: LinearOperator, transform: JpegTransform, output_map: OutputMap
    ) -> None:
        if output_map.activation != "identity":
            raise UsageError("The JPEG box is convex only where the output activation is identity.")
        self.base, self.transform = base, transform
        self.input_shape, self.output_shape = base.input_shape, base.output_shape
        self.device = base.device
        # One unit of output is 255 / (high - low) grey levels.
        self.per_pixel = 1.0 / (output_map.high - output_map.low)
        self.unit = 1.0 / (255.0 * self.per_pixel)

    def apply(self, z: Tensor) -> Tensor:
        """Coefficients of W z."""
        return self.unit * self.transform.linear(self.per_pixel * self.base.apply(z))

    def adjoint(self, u: Tensor) -> Tensor:
        """Adjoint of `apply`."""
        return self.base.adjoint(self.unit * self.per_pixel * self.transform.transpose(u))

    def target(self, pixels: Tensor, offset: Tensor, output_map: OutputMap) -> Box:
        """The file's cells, shifted by `offset` = W anchor + b and in the operator's units."""
        box = self.transform.box(pixels)
        shift = self.transform.linear(output_map_pixels(offset, output_map))
        shifted = box.shifted(shift.to(box.lower))
        return Box(self.unit * shifted.lower, self.unit * shifted.upper)


def output_map_pixels(output: Tensor, output_map: OutputMap) -> Tensor:
    """Outputs to pixels without clamping."""
    return (output - output_map.low) / (output_map.high - output_map.low)


def tables_of(quantization: dict[int, list[int]], channels: int) -> Tensor:
    """(channels, 8, 8) from Pillow's `image.quantization` (row-major since Pillow 8.3)."""
    last = len(quantization) - 1
    chosen = [quantization[min(channel, last, 1)] for channel in range(channels)]
    return torch.tensor(chosen, dtype=torch.float64).reshape(channels, 8, 8)
