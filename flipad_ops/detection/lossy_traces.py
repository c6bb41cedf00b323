"""Traces that lossy files leave in pixels, whatever made the image.

Decoded pixels of a JPEG file lie on a lattice: each block's cosine coefficients are multiples of
the file's quantisation steps, up to rounding and clipping (Fan and de Queiroz, 2003). An image
that was never compressed lies on no such lattice by chance. Likewise pixels that passed through
8-bit YCbCr (JPEG, WebP, video) show only the colours that it can make, fewer than a quarter of
all. So which kind of image is at hand follows from the pixels alone, without training, and a PNG
made of a JPEG file is found as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from flipad_ops.detection.bands import BLOCK, cut_blocks
from flipad_ops.detection.jpeg import YCBCR, dct_matrix

#: IJG luminance table (ITU-T T.81, table K.1), row by row.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
#: Qualities looked for. Above, steps of one or two leave no lattice to see.
QUALITIES = range(40, 97)
#: Blocks of an image that are looked at, the liveliest.
BLOCKS = 24
#: A block counts with so many coefficients off zero and so many pixels off black and white.
MIN_COEFFICIENTS, MIN_FREE = 6, 20
#: Squared distance to a lattice over what an image off it has; those lie near 1 and above.
ON_LATTICE = 0.4
#: A first look at so few blocks picks the qualities that deserve a closer one.
FEW_BLOCKS, CANDIDATES = 8, 3
#: Rounds of filling in clipped pixels, at first and then.
FEW_ROUNDS, ROUNDS = 1, 6
#: Studio range: grey levels that an image must show, places of a colour image that are looked at,
#: and how many of them must be off black and white.
MIN_LEVELS, PLACES, MIN_PLACES = 48, 256, 48


def quantisation_steps(quality: int) -> Tensor:
    """(64,) float64, as libjpeg scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = torch.tensor(_LUMINANCE, dtype=torch.float64)
    return ((base * scale + 50) / 100).floor().clamp(1, 255)


@cache
def _basis() -> Tensor:
    """The 8x8 DCT of a block in one row, (64, 64) float64."""
    return torch.kron(dct_matrix(), dct_matrix())


def jpeg_quality(pixels: Tensor) -> Tensor:
    """The quality of the JPEG file that the pixels were decoded from.

    Parameters
    ----------
    pixels : Tensor, float, (n, 1 or 3, height, width) in [0, 1], blocks aligned with the corner

    Returns
    -------
    Tensor, int64, (n,)
        0 where there is no trace of one, or none of IJG's tables from QUALITIES.
    """
    if not len(pixels) or pixels.shape[1] not in (1, 3) or min(pixels.shape[2:]) < BLOCK:
        return torch.zeros(len(pixels), dtype=torch.int64, device=pixels.device)
    blocks = _liveliest(pixels)
    few = blocks[:, :FEW_BLOCKS]
    first = torch.stack([_distance(few, quality, FEW_ROUNDS) for quality in QUALITIES])
    qualities = torch.tensor(QUALITIES, device=pixels.device)
    likely = qualities[first.topk(CANDIDATES, dim=0, largest=False).indices]
    found = torch.zeros(len(pixels), dtype=torch.int64, device=pixels.device)
    best = torch.full((len(pixels),), ON_LATTICE, dtype=torch.float64, device=pixels.device)
    for quality in set(likely.flatten().tolist()):
        rows = (likely == quality).any(dim=0).nonzero()[:, 0]
        distance = _distance(blocks[rows], quality, ROUNDS)
        better = distance < best[rows]
        best[rows[better]], found[rows[better]] = distance[better], quality
    return found


def _liveliest(pixels: Tensor) -> Tensor:
    """(n, at most BLOCKS, 64) float64 in grey levels: luminance, the liveliest block first."""
    x = pixels.double() * 255
    if x.shape[1] == 3:
        weights = torch.tensor(YCBCR[0], dtype=x.dtype, device=x.device)
        x = (x * weights[:, None, None]).sum(dim=1, keepdim=True)
    blocks = cut_blocks(x).flatten(4).flatten(1, 3)
    free = ((blocks > 0) & (blocks < 255)).sum(dim=2) >= MIN_FREE
    order = (blocks.std(dim=2) * free).topk(min(BLOCKS, blocks.shape[1]), dim=1).indices
    return blocks.gather(1, order[..., None].expand(-1, -1, BLOCK * BLOCK))


def _distance(blocks: Tensor, quality: int, rounds: int) -> Tensor:
    """Squared distance to the quality's lattice over its mean off the lattice, (n,) float64.

    Coefficients off zero are spread evenly between lattice points unless the image was compressed:
    steps^2 / 12 each. Infinite with fewer than two blocks that count.
    """
    steps = quantisation_steps(quality).to(blocks)
    basis = _basis().to(blocks)
    low, high = blocks <= 0, blocks >= 255
    filled = blocks
    for step in range(rounds + 1):
        levels = (((filled - 128) @ basis.T) / steps).round()
        nearest = (levels * steps) @ basis + 128
        if step < rounds:  # what a clipped pixel was before, the lattice may say
            inside = torch.where(high, nearest.clamp_min(255), blocks)
            filled = torch.where(low, nearest.clamp_max(0), inside)
    used = levels != 0
    free = (~(low | high)).sum(dim=2)
    counts = (free >= MIN_FREE) & (used.sum(dim=2) >= MIN_COEFFICIENTS)
    error = (nearest.clamp(0, 255) - blocks).square().sum(dim=2)
    expected = (used * steps.square() / 12).sum(dim=2) * free / BLOCK**2
    ratio = (error * counts).sum(dim=1) / (expected * counts).sum(dim=1).clamp_min(1e-9)
    return torch.where(counts.sum(dim=1) >= 2, ratio, torch.inf)


def lossy_trace(pixels: Tensor) -> Tensor:
    """Whether pixels were decoded from a lossy file, JPEG or one in 8-bit YCbCr, at their size.

    Parameters
    ----------
    pixels : Tensor, float, (n, 1 or 3, height, width) in [0, 1]; other shapes have no trace

    Returns
    -------
    Tensor, bool, (n,)
    """
    found = colour_trace(pixels)
    if pixels.dim() == 4 and pixels.shape[1] in (1, 3):
        rows = (~found).nonzero()[:, 0]
        found[rows] = jpeg_quality(pixels[rows]) > 0
    return found


def colour_trace(pixels: Tensor) -> Tensor:
    """The part of `lossy_trace` that is cheap: whether all colours are ones of 8-bit YCbCr."""
    if not len(pixels) or pixels.dim() != 4 or pixels.shape[1] not in (1, 3):
        return torch.zeros(len(pixels), dtype=torch.bool, device=pixels.device)
    colours = (pixels * 255).round().long().flatten(2).transpose(1, 2)
    if pixels.shape[1] == 1:
        return _studio_greys(colours[..., 0])
    return _reached(colours, _FULL) | _reached(colours, _STUDIO)


@dataclass(frozen=True)
class _Range:
    """8-bit YCbCr: its black, and the matrix from RGB; `to_rgb` is the decoder's integer map."""

    black: int
    matrix: tuple[tuple[float, float, float], ...]
    to_rgb: Callable[[Tensor, Tensor, Tensor], Tensor]


def _libwebp(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Integers to (..., 3), in libwebp's fixed point."""
    base = y * 19077 >> 8
    red = base + (v * 26149 >> 8) - 14234
    green = base - (u * 6419 >> 8) - (v * 13320 >> 8) + 8708
    blue = base + (u * 33050 >> 8) - 17685
    return (torch.stack([red, green, blue], dim=-1) >> 6).clamp(0, 255)


def _libjpeg(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Integers to (..., 3), in libjpeg's fixed point."""
    u, v, half = u - 128, v - 128, 1 << 15
    red = y + (91881 * v + half >> 16)
    green = y + (-22554 * u - 46802 * v + half >> 16)
    blue = y + (116130 * u + half >> 16)
    return torch.stack([red, green, blue], dim=-1).clamp(0, 255)


_STUDIO = _Range(
    16,
    (
        (0.256788, 0.504129, 0.097906),
        (-0.148223, -0.290993, 0.439216),
        (0.439216, -0.367788, -0.071427),
    ),
    _libwebp,
)
_FULL = _Range(0, YCBCR, _libjpeg)


def _studio_greys(levels: Tensor) -> Tensor:
    """(n, places) grey levels: studio range reaches 220 of the 256."""
    luma = torch.arange(16, 236, device=levels.device)
    middle = torch.full_like(luma, 128)
    weights = torch.tensor([19595, 38470, 7471], device=levels.device)  # Pillow's
    grey = (_libwebp(luma, middle, middle) * weights).sum(dim=1) + (1 << 15) >> 16
    shown = torch.zeros(len(levels), 256, dtype=torch.bool, device=levels.device)
    shown.scatter_(1, levels, True)
    enough = shown.sum(dim=1) >= MIN_LEVELS
    shown[:, grey] = False
    return enough & ~shown.any(dim=1)


def _reached(colours: Tensor, kind: _Range) -> Tensor:
    """Of (n, places, 3) colours: whether all that tell are ones that 8-bit YCbCr can make.

    Fewer than a quarter of all colours are. Greys tell nothing, nor do clipped ones.
    """
    places = torch.linspace(0, colours.shape[1] - 1, min(PLACES, colours.shape[1])).long()
    chosen = colours[:, places.to(colours.device)]
    matrix = torch.tensor(kind.matrix, dtype=torch.float64, device=colours.device)
    middle = torch.tensor([kind.black, 128, 128], device=colours.device)
    about = (chosen.double() @ matrix.T + middle).round().long()
    reached = torch.zeros(chosen.shape[:2], dtype=torch.bool, device=colours.device)
    for shift in itertools.product((-1, 0, 1), repeat=3):
        near = about + torch.tensor(shift, device=colours.device)
        reached |= (kind.to_rgb(*near.unbind(-1)) == chosen).all(dim=2)
    tells = ((chosen > 0) & (chosen < 255)).all(dim=2)
    tells &= chosen.amax(dim=2) - chosen.amin(dim=2) > 2
    missed = (tells & ~reached).sum(dim=1)
    return (missed <= 0.01 * tells.sum(dim=1)) & (tells.sum(dim=1) >= MIN_PLACES)
