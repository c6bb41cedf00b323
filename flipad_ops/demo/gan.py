"""A small DCGAN, trained in seconds on a CPU: the demo's generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.adversarial import halvings, train_pair

LATENT = 64


class Generator(nn.Module):
    """(batch, latent, 1, 1) to (batch, channels, size, size) in [-1, 1].

    Parameters
    ----------
    size : int
        A power of two from 16.
    width : int
        Channels before the last layer.
    """

    def __init__(
        self, size: int = 32, channels: int = 3, width: int = 32, latent: int = LATENT
    ) -> None:
        super().__init__()
        doublings = _doublings(size)
        features = width * 2 ** (doublings - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, features, 4, 1, 0, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(features, features // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(features // 2),
                nn.ReLU(),
            ]
            features //= 2
        self.main = nn.Sequential(
            *layers, nn.ConvTranspose2d(features, channels, 4, 2, 1), nn.Tanh()
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Images of the latents."""
        return self.main(latent)  # type: ignore[no-any-return]


def discriminator(size: int, channels: int, width: int) -> nn.Sequential:
    """(batch, channels, size, size) to logits (batch, 1, 1, 1)."""
    layers, width, _ = halvings(channels, width, (size, size))
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4))


def train_gan(
    images: Tensor,
    *,
    steps: int,
    seed: int,
    width: int = 32,
    batch_size: int = 64,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Generator:
    """Train a DCGAN with the non-saturating loss; the same seed gives the same generator.

    Parameters
    ----------
    images : Tensor, float32, (n, channels, size, size) in [0, 1]
    steps : int
    seed : int
    """
    count, channels, size, _ = images.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(size, channels, width)
        # A critic of the generator's width wins too soon in a few hundred steps.
        critic = discriminator(size, channels, max(width // 2, 8))
        for module in (*generator.modules(), *critic.modules()):
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)

        def draw(step: int) -> tuple[Tensor, Tensor]:
            real = images[torch.randint(count, (batch_size,))] * 2 - 1
            return real, generator(torch.randn(batch_size, LATENT, 1, 1))

        train_pair(generator, critic, draw, steps, report=report)
    return generator.eval()


def _doublings(size: int) -> int:
    doublings = (size // 4).bit_length() - 1
    if size < 16 or size != 4 << doublings:
        raise UsageError(
            f"The demo's generator makes images of 16, 32, 64, ... pixels, not {size}."
        )
    return doublings
