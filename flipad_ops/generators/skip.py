"""The second block of a skip generator's last step, `y = W z + U s + b` (StyleGAN2).

s is the image that the previous resolution has made, U its fixed upsampling by two. Both are
carried as one activation: the channels of z, then those of s with every value repeated to the
size of z, so that all that looks at activations looks at s too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class SkipBlock:
    """U: a separable linear upsampling of every channel alike.

    Parameters
    ----------
    rows : Tensor, float32, (H, h)
    columns : Tensor, float32, (W, w)
        U s = rows s columns^T for s of shape (batch, channels, h, w); H and W are 2h and 2w.
    channels : int
    name : str
        What it is called, for people.
    """

    rows: Tensor
    columns: Tensor
    channels: int
    name: str = ""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of s."""
        return (self.channels, self.rows.shape[1], self.columns.shape[1])

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Shape of U s."""
        return (self.channels, self.rows.shape[0], self.columns.shape[0])

    def __call__(self, s: Tensor) -> Tensor:
        """U s for (batch, *input_shape)."""
        return self.rows.to(s) @ s @ self.columns.to(s).T

    def join(self, z: Tensor, s: Tensor) -> Tensor:
        """z (batch, C, H, W) and s (batch, *input_shape) as one (batch, C + channels, H, W)."""
        wide = s.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return torch.cat([z, wide], dim=1)

    def split(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse of `join`; of values that differ within a block, their mean."""
        z, wide = joint[:, : -self.channels], joint[:, -self.channels :]
        return z, F.avg_pool2d(wide, 2)

    def describe(self) -> dict[str, Any]:
        """Everything but the matrices, JSON-ready."""
        return {"channels": self.channels, "name": self.name}


@dataclass(frozen=True)
class Way:
    """A way to double an image: an interpolation, and a filter over what it gives.

    Parameters
    ----------
    base : {"zeros between", "nearest", "bilinear", "bicubic"}
    taps : tuple of float, or empty
    border : str
        What the filter sees beyond the border.
    aligned : bool
        align_corners of torch's interpolation.
    """

    base: str
    taps: tuple[int, ...] = ()
    border: str = "zeros"
    aligned: bool = False

    def __str__(self) -> str:
        taps = ",".join(map(str, self.taps))
        after = f" then filter {taps} with {self.border} beyond the border" if taps else ""
        return f"{self.base}{' with aligned corners' if self.aligned else ''}{after}"

    def matrix(self, size: int) -> Tensor:
        """(2 size, size) float32: what it makes of a line, from what it makes of unit vectors."""
        lines = torch.eye(size, dtype=torch.float64)[:, None]
        if self.base == "zeros between":
            wide = 2.0 * torch.stack([lines, torch.zeros_like(lines)], dim=3).flatten(2)
        elif self.base == "nearest":
            wide = lines.repeat_interleave(2, dim=2)
        else:  # Interpolation of two equal rows is that of a line.
            twice = lines[..., None, :].expand(-1, -1, 2, -1)
            wide = F.interpolate(
                twice, (2, 2 * size), mode=self.base, align_corners=self.aligned
            )[:, :, 0]  # fmt: skip
        if self.taps:
            kernel = torch.tensor(self.taps, dtype=wide.dtype)[None, None]
            before = len(self.taps) // 2
            pads = (before, len(self.taps) - 1 - before)
            wide = F.conv1d(F.pad(wide, pads, mode=BORDERS[self.border]), kernel / kernel.sum())
        return wide[:, 0].T.float().contiguous()

    def block(self, channels: int, size: tuple[int, int]) -> SkipBlock:
        """It as U, for s of shape (channels, *size)."""
        return SkipBlock(self.matrix(size[0]), self.matrix(size[1]), channels, str(self))


#: What the filter sees beyond the border, in torch's words.
BORDERS = {"zeros": "constant", "reflection": "reflect", "repetition": "replicate"}
_FILTERS = [(taps, border) for border in BORDERS for taps in ((1, 3, 3, 1), (1, 2, 1))]
#: StyleGAN2's own, and the usual ones, simplest first.
STYLEGAN2 = Way("zeros between", (1, 3, 3, 1))
WAYS = (
    STYLEGAN2,
    Way("nearest"),
    Way("bilinear"),
    Way("bicubic"),
    Way("bilinear", aligned=True),
    *(Way(base, *each) for base in ("zeros between", "nearest", "bilinear") for each in _FILTERS),
)
