"""Energies of an image by frequency: of its 8x8 blocks' cosine coefficients, band by band."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.detection.jpeg import dct_matrix

#: Side of the transformed blocks, in pixels.
BLOCK = 8
#: Energy added before the logarithm, in squared grey levels of 8 bits: below it is rounding.
FLOOR = 0.05


def has_spectrum(shape: tuple[int, ...]) -> bool:
    """Whether samples of `shape` are images with room for a block."""
    return len(shape) == 3 and min(shape[1:]) >= BLOCK


def band_energies(pixels: Tensor) -> Tensor:
    """Log mean energy of each block-DCT band.

    Parameters
    ----------
    pixels : Tensor, float, (n, channels, height, width) in [0, 1]
        Rows and columns beyond a multiple of 8 are left out. Three channels are taken apart into
        their mean and the first's and last's difference to it.

    Returns
    -------
    Tensor, float64, (n, channels * 64)
    """
    x = pixels.double() * 255
    if x.shape[1] == 3:
        mean = x.mean(dim=1, keepdim=True)
        x = torch.cat([mean, x[:, :1] - mean, x[:, 2:] - mean], dim=1)
    blocks = cut_blocks(x)
    basis = dct_matrix().to(x.device)
    bands = basis @ blocks @ basis.T
    return (bands.square().mean(dim=(2, 3)) + FLOOR).log().flatten(1)


def cut_blocks(x: Tensor) -> Tensor:
    """(n, channels, height, width) to whole blocks, (n, channels, rows, columns, BLOCK, BLOCK)."""
    n, channels, height, width = x.shape
    rows, columns = height // BLOCK, width // BLOCK
    x = x[..., : rows * BLOCK, : columns * BLOCK]
    return x.reshape(n, channels, rows, BLOCK, columns, BLOCK).transpose(3, 4)
