"""What may have happened to an image on its way, as a differentiable map of few parameters.

An altered image is taken for `filter(resample(place(made)))`: a zoom and a shift, a stay at a
smaller size, then one small linear filter, which takes up blur and other interpolations. The
filter is not searched: given the rest, it is a linear least-squares problem (variable projection;
Golub and Pereyra, 1973).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Side of the filter in pixels.
SIDE = 5
#: Weight of the filter's squared distance to doing nothing, in units of the mean squared pixel.
RIDGE = 1e-4
#: Logarithm of the zoom, downwards and upwards; 0.4 is a crop to two thirds of a side.
ZOOM = (-0.05, 0.4)
#: Smallest stay between, as a share of a side.
SMALLEST = 0.45


def place(made: Tensor, where: Tensor) -> Tensor:
    """Zoom and shift images, with bilinear interpolation.

    Parameters
    ----------
    made : Tensor, float32, (n, channels, height, width)
    where : Tensor, float32, (n, 3)
        Logarithm of the zoom (0.1: a window of exp(-0.1) of the sides, as large as before), and
        the window's offset from the centre, down and to the right, in pixels.
    """
    height, width = made.shape[2:]
    share, zero = torch.exp(-where[:, 0]), torch.zeros_like(where[:, 0])
    rows = [
        torch.stack([share, zero, where[:, 2] * 2 / width], dim=1),
        torch.stack([zero, share, where[:, 1] * 2 / height], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(made.shape), align_corners=False)
    return F.grid_sample(made, grid, padding_mode="border", align_corners=False)


def resample(made: Tensor, side: Tensor) -> Tensor:
    """Resize to a smaller side and back, with antialiased bilinear interpolation.

    Parameters
    ----------
    side : Tensor, int64, (n,)
        Shorter side in between, in pixels; 0 leaves an image as it is.
    """
    if not bool(side.any()):
        return made
    parts, order = [], []
    for value in torch.unique(side):
        rows = (side == value).nonzero()[:, 0]
        order.append(rows)
        parts.append(_there_and_back(made[rows], int(value)) if value else made[rows])
    return torch.cat(parts)[torch.cat(order).argsort()]


def smaller_sides(shape: tuple[int, ...]) -> list[int]:
    """Shorter sides that a stay at a smaller size may have had, some 16 from nearly half on."""
    shorter = min(shape[-2:])
    first = round(SMALLEST * shorter)
    return list(range(first, shorter, max(1, (shorter - first) // 16)))


def _there_and_back(made: Tensor, side: int) -> Tensor:
    height, width = made.shape[2:]
    share = side / min(height, width)
    size = (max(1, round(share * height)), max(1, round(share * width)))
    options = {"mode": "bilinear", "antialias": True, "align_corners": False}
    small = F.interpolate(made, size, **options)  # type: ignore[arg-type]
    return F.interpolate(small, (height, width), **options)  # type: ignore[arg-type]


def undo_place(found: Tensor, where: Tensor) -> Tensor:
    """The inverse of `place` but for what lies outside the window."""
    share = torch.exp(-where[:, :1])
    return place(found, torch.cat([-where[:, :1], -where[:, 1:] / share], dim=1))


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """What `place(place(x, inner), outer)` does in one go, (n, 3)."""
    share = torch.exp(-inner[:, :1])
    return torch.cat([outer[:, :1] + inner[:, :1], outer[:, 1:] * share + inner[:, 1:]], dim=1)


@torch.no_grad()
def best_filter(made: Tensor, found: Tensor) -> Tensor:
    """The filter that brings `made` nearest to `found`, (n, SIDE, SIDE)."""
    n, channels = made.shape[:2]
    padded = F.pad(made, (SIDE // 2,) * 4, mode="replicate")
    moved = F.unfold(padded, SIDE).reshape(n, channels, SIDE * SIDE, -1)
    moved = moved.transpose(1, 2).flatten(2)
    missing = (found - made).flatten(1)
    gram = moved @ moved.transpose(1, 2) / moved.shape[2]
    gram = gram + RIDGE * torch.eye(SIDE * SIDE, dtype=gram.dtype, device=gram.device)
    change: Tensor = torch.linalg.solve(gram, (moved @ missing[..., None]) / moved.shape[2])
    taps = change[..., 0].reshape(n, SIDE, SIDE)
    taps[:, SIDE // 2, SIDE // 2] += 1
    return taps


def apply_filter(made: Tensor, taps: Tensor) -> Tensor:
    """Each image by its own filter, (n, SIDE, SIDE), edges replicated."""
    n, channels, height, width = made.shape
    padded = F.pad(made, (SIDE // 2,) * 4, mode="replicate")
    weight = taps[:, None, None].expand(-1, channels, -1, -1, -1).reshape(-1, 1, SIDE, SIDE)
    joined = padded.reshape(1, n * channels, *padded.shape[2:])
    return F.conv2d(joined, weight, groups=n * channels).reshape(n, channels, height, width)
