"""Bias-free networks phi for DeepSAD: without biases the constant map is no solution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

HIDDEN = (32, 64, 128)
MLP_HIDDEN = (512, 1024, 512, 256)


class LeNet(nn.Module):
    """Convolution, batch norm, leaky ReLU and pooling, three times, then one linear map.

    Parameters
    ----------
    shape : (channels, height, width)
        One detector input.
    dim : int
        Size of the embedding.
    """

    def __init__(self, shape: tuple[int, ...], dim: int = 128) -> None:
        super().__init__()
        channels, *sides = shape
        layers: list[nn.Module] = []
        for width in HIDDEN:
            layers += [
                nn.Conv2d(channels, width, 5, padding=2, bias=False),
                nn.BatchNorm2d(width, eps=1e-4, affine=False),
                nn.LeakyReLU(),
            ]
            if min(sides) >= 4:
                layers.append(nn.MaxPool2d(2))
                sides = [side // 2 for side in sides]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels * math.prod(sides), dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) to (batch, dim)."""
        return self.head(self.body(x).flatten(1))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """The paper's network for tabular data: 512-1024-512-256-dim."""

    def __init__(self, shape: tuple[int, ...], dim: int = 32) -> None:
        super().__init__()
        width = math.prod(shape)
        layers: list[nn.Module] = [nn.Flatten(1)]
        for hidden in MLP_HIDDEN:
            layers += [
                nn.Linear(width, hidden, bias=False),
                nn.BatchNorm1d(hidden, eps=1e-4, affine=False),
                nn.LeakyReLU(),
            ]
            width = hidden
        self.body = nn.Sequential(*layers, nn.Linear(width, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) to (batch, dim)."""
        return self.body(x)  # type: ignore[no-any-return]


def build_network(shape: tuple[int, ...], dim: int, seed: int) -> nn.Module:
    """A fresh network for inputs of `shape`, with weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LeNet(shape, dim) if len(shape) == 3 else Mlp(shape, dim)
