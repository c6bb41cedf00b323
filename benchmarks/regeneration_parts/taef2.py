"""The small FLUX.2 autoencoder (MIT, madebyollin/taesd): 32 latent channels, 8x, pixels in [0, 1].

Built from the description beside the weights; `load_state_dict` checks names and shapes. Fully
convolutional but for GroupNorm, whose statistics are over the whole image: any size that is a
multiple of eight.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.regeneration_parts.folders import real_generator
from flipad_ops.generators import SplitGenerator, split_generator

CHANNELS, REDUCTION = 32, 8
_WIDTH = 64


class Block(nn.Module):
    """ReLU(convolutions(x) + x); with `pool` something of the whole image is first added to x."""

    def __init__(self, pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.ReLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.ReLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1),
        )  # fmt: skip
        self.fuse = nn.ReLU()
        self.pool = (
            nn.Sequential(
                nn.Conv2d(_WIDTH, 4 * _WIDTH, 1, bias=False), nn.GroupNorm(4, 4 * _WIDTH),
                nn.ReLU(), nn.Conv2d(4 * _WIDTH, _WIDTH, 1, bias=False),
            )
            if pool
            else None
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(n, 64, h, w) to the same."""
        if self.pool is not None:
            x = x + self.pool(x)
        whole: Tensor = self.fuse(self.conv(x) + x)
        return whole


class Clamp(nn.Module):
    """Latents softly clamped to [-3, 3]."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return torch.tanh(x / 3) * 3


def _up() -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False)]


def _down(pool: bool) -> list[nn.Module]:
    step = nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1, bias=False)
    return [step, Block(pool), Block(pool), Block(pool)]


def empty_decoder() -> nn.Sequential:
    """(n, 32, h, w) to (n, 3, 8 h, 8 w), about [0, 1]; no output activation."""
    return nn.Sequential(
        Clamp(), nn.Conv2d(CHANNELS, _WIDTH, 3, padding=1), nn.ReLU(),
        Block(True), Block(True), Block(True), *_up(), Block(), Block(), Block(), *_up(),
        Block(), Block(), Block(), *_up(), Block(), nn.Conv2d(_WIDTH, 3, 3, padding=1),
    )  # fmt: skip


def empty_encoder() -> nn.Sequential:
    """(n, 3, 8 h, 8 w) in [0, 1] to (n, 32, h, w)."""
    return nn.Sequential(
        nn.Conv2d(3, _WIDTH, 3, padding=1), Block(), *_down(False), *_down(False), *_down(True),
        nn.Conv2d(_WIDTH, CHANNELS, 3, padding=1),
    )  # fmt: skip


def _filled(network: nn.Sequential, path: Path) -> nn.Sequential:
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    network = network.to(memory_format=torch.channels_last)  # a third faster on a CPU
    return network.eval().requires_grad_(False)


@cache
def decoder() -> nn.Sequential:
    """With its weights, float32, frozen.

    Raises
    ------
    FileNotFoundError
        The weights are not here.
    """
    return _filled(empty_decoder(), real_generator("taef2") / "taef2_decoder.safetensors")


@cache
def encoder() -> nn.Sequential:
    """With its weights, float32, frozen.

    Raises
    ------
    FileNotFoundError
        The weights are not here.
    """
    return _filled(empty_encoder(), real_generator("taef2") / "taef2_encoder.safetensors")


def encode(pixels: Tensor) -> Tensor:
    """Latents (n, 32, h, w) of pixels (n, 3, 8 h, 8 w) in [0, 1]; gradients flow where asked."""
    found: Tensor = encoder()(pixels)
    return found


def decode(latents: Tensor) -> Tensor:
    """Pixels (n, 3, 8 h, 8 w) of latents (n, 32, h, w), neither clamped nor rounded."""
    made: Tensor = decoder()(latents)
    return made


class Decoding(nn.Module):
    """The decoder with the model's own encoder beside it, as a registry's Tiny autoencoders have.

    The encoder is no part of its state: what is split and hashed is the decoder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.decoder = decoder()

    def forward(self, latents: Tensor) -> Tensor:
        """See `decode`."""
        return decode(latents)

    def encode(self, images: Tensor) -> Tensor:
        """See `encode`."""
        return encode(images)


def taef2(photographs: Tensor) -> SplitGenerator:
    """The decoder as the product sees it, behind recorded latents: those of `photographs`.

    Parameters
    ----------
    photographs : Tensor, float32, (n, 3, height, width) in [0, 1]
        Sides are multiples of eight.
    """
    with torch.no_grad():
        latents = torch.cat([encode(some) for some in torch.split(photographs, 32)])
    metadata = {
        "latent": {"shape": list(latents.shape[1:]), "distribution": "recorded"},
        "output_range": [0, 1],
    }
    return split_generator(Decoding(), metadata, latents=latents, name="taef2", version="1")
