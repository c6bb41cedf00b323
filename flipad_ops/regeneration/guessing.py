"""An encoder that guesses the latent of an image, altered or not, and where a crop was taken."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.regeneration.alterations import place

#: Widths of the convolutions grow up to this.
WIDEST = 256
#: A latent of more entries that has rows and columns is guessed by convolutions alone.
LONGEST_VECTOR = 1024


class Encoder(nn.Module):
    """Pixels to latents and to the zoom and shift of `alterations.place`.

    Parameters
    ----------
    sample_shape : (channels, height, width)
    latent_shape : tuple of int
    width : int
        Of the first convolution.
    """

    def __init__(
        self, sample_shape: tuple[int, ...], latent_shape: tuple[int, ...], width: int = 32
    ) -> None:
        super().__init__()
        self.latent_shape = latent_shape
        channels, height, long = *sample_shape[:2], math.prod(latent_shape)
        self.spatial = len(latent_shape) == 3 and long > LONGEST_VECTOR
        last = max(4, latent_shape[1] if self.spatial else 4)
        layers: list[nn.Module] = []
        while height // 2 >= last:
            layers += [
                nn.Conv2d(channels, width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.1),
            ]
            channels, width, height = width, min(2 * width, WIDEST), height // 2
        self.body = nn.Sequential(*layers)
        with torch.no_grad():
            shape = self.body.eval()(torch.zeros(1, *sample_shape)).shape[1:]
        self.body.train()
        if self.spatial:
            self.head: nn.Module = nn.Sequential(
                nn.Conv2d(shape[0], 128, 3, 1, 1), nn.ReLU(),
                nn.Conv2d(128, latent_shape[0], 3, 1, 1),
            )  # fmt: skip
        else:
            self.head = nn.Sequential(
                nn.Flatten(), nn.Linear(math.prod(shape), 512), nn.ReLU(), nn.Linear(512, long)
            )
        self.where = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(shape), 64), nn.ReLU(), nn.Linear(64, 3)
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(n, *sample_shape) in [0, 1] to (n, *latent_shape) and (n, 3)."""
        seen = self.body(pixels * 2 - 1)
        latents = self.head(seen)
        if self.spatial and latents.shape[2:] != self.latent_shape[1:]:
            latents = F.interpolate(latents, self.latent_shape[1:], mode="bilinear")
        return latents.reshape(-1, *self.latent_shape), self.where(seen)


def train_encoder(
    make: Callable[[Tensor], Tensor],
    draw: Callable[[int, int], Tensor],
    sample_shape: tuple[int, ...],
    *,
    steps: int,
    batch: int,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Encoder:
    """Train on own samples altered in passing.

    Parameters
    ----------
    make : callable, latents (n, *latent_shape) to pixels (n, *sample_shape) in [0, 1]
        Differentiable.
    draw : callable, (count, number of the step) to latents (count, *latent_shape)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        source = torch.Generator().manual_seed(seed)
        first = draw(4 * batch, -1)
        scale = first.flatten(1).std(dim=0).mean().clamp_min(1e-6).item()
        encoder = Encoder(sample_shape, tuple(first.shape[1:])).to(device)
        optimiser = torch.optim.AdamW(encoder.parameters(), 3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
        for step in range(steps):
            latents = draw(batch, step).to(device)
            with torch.no_grad():
                made = make(latents)
                found, where = alter(made, source)
            guess, at = encoder(found)
            again = make(guess)
            loss = (guess - latents).square().mean() / scale**2
            loss = loss + (again - made).square().mean() / made.var().clamp_min(1e-4)
            off = (at - where).square().mean(dim=0)
            loss = loss + 5 * off[0] + 0.2 * (off[1] + off[2])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            progress(step + 1, steps)
    return encoder.eval().requires_grad_(False)


def alter(made: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images cropped, moved, blurred or with noise, and what was done to place them, (n, 3)."""
    n, device = len(made), made.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=source).to(device)

    where = torch.zeros(n, 3, device=device)
    moved = uniform(n) < 0.5
    where[:, 0] = -torch.log(1 - 0.2 * uniform(n))
    room = (1 - torch.exp(-where[:, :1])) / 2 * made.shape[2] + 1.5 * (uniform(n, 1) < 0.5)
    where[:, 1:] = (uniform(n, 2) * 2 - 1) * room
    where = where * moved[:, None]
    found = place(made, where)
    taps = torch.exp(-0.5 * ((torch.arange(5) - 2) / (0.3 + 1.2 * uniform(1).cpu())) ** 2)
    taps = (taps / taps.sum()).to(device)
    kernel = torch.outer(taps, taps).expand(made.shape[1], 1, 5, 5)
    soft = F.conv2d(F.pad(found, (2,) * 4, mode="replicate"), kernel, groups=made.shape[1])
    found = torch.where((uniform(n) < 0.35)[:, None, None, None], soft, found)
    size = 0.06 * uniform(n, 1, 1, 1) ** 2 * (uniform(n, 1, 1, 1) < 0.5)
    found = found + size * torch.randn(made.shape, generator=source).to(device)
    return (found.clamp(0, 1) * 255).round() / 255, where
