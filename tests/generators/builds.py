"""Small generators of different build."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = {"latent": {"shape": [8, 1, 1], "distribution": "normal"}}
FLAT = {"latent": {"shape": [8], "distribution": "normal"}}
ACTIVATIONS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def conv_transpose(activation: str = "tanh", channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ConvTranspose2d(8, 16, 4, 1, 0, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 12, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(12, channels, 4, 2, 1),
        ACTIVATIONS[activation](),
    ).eval()


def upsample_conv(activation: str = "tanh") -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.ConvTranspose2d(8, 10, 8),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(10, 3, 3, padding=1),
        ACTIVATIONS[activation](),
    ).eval()


def mlp(activation: str = "sigmoid") -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Linear(8, 24),
        nn.ReLU(),
        nn.Linear(24, 49),
        ACTIVATIONS[activation](),
        nn.Unflatten(1, (1, 7, 7)),
    ).eval()


class Modulated(nn.Module):
    """The last layer's weights are scaled by the latent, as in StyleGAN2."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ConvTranspose2d(8, 10, 8)
        self.weight = nn.Parameter(torch.randn(3, 10, 3, 3))

    def forward(self, latent: Tensor) -> Tensor:
        scale = 1 + latent.mean()
        return torch.tanh(F.conv2d(self.body(latent), self.weight * scale, padding=1))
