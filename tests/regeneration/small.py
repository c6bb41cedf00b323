"""A generator of 16x16 images of 6 latents that is searched in a moment."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flipad_ops.regeneration.guessing import train_encoder
from flipad_ops.regeneration.refinement import Search
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import WitnessModel

LATENTS, SIDE = 6, 16


def generator(seed: int = 0, channels: int = 1) -> nn.Module:
    """Smooth images in [0, 1]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(LATENTS, 8 * 16),
            nn.Unflatten(1, (8, 4, 4)),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(8, channels, 3, padding=1),
        )
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(2.5)
    return nn.Sequential(network, nn.Sigmoid()).eval().requires_grad_(False)


def images(network: nn.Module, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Latents and 8-bit images."""
    latents = torch.randn(count, LATENTS, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return latents, (network(latents) * 255).round() / 255


def regenerator(steps: int = 200, batch: int = 8, own: int = 0) -> Regenerator:
    """With an encoder of a few steps and judges that were not fitted."""
    network = generator()

    def draw(count: int, step: int) -> Tensor:
        return torch.randn(count, LATENTS, generator=torch.Generator().manual_seed(step + 1))

    encoder = train_encoder(network, draw, (1, SIDE, SIDE), steps=steps, batch=16, seed=0)
    search = Search(network, (LATENTS,), -5.0, 5.0, 1.0, batch)
    return Regenerator(
        search, encoder, WitnessModel(encoder, own, (1, SIDE, SIDE)), 1 / 255, 30, 60
    )
