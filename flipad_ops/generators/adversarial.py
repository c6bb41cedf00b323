"""Training of small GANs: the demo's generator and the students of a fit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def train_pair(
    generator: nn.Module,
    critic: nn.Module,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    *,
    rates: tuple[float, float] = (2e-4, 2e-4),
    betas: tuple[float, float] = (0.5, 0.999),
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """The non-saturating loss, one step of each in turn (Goodfellow et al., 2014).

    Parameters
    ----------
    draw : callable
        Of the step: a batch of real images, and one of the generator's with its graph.
    rates : (float, float)
        Learning rates of the generator and of the critic.
    """
    fake_step = torch.optim.Adam(generator.parameters(), lr=rates[0], betas=betas)
    real_step = torch.optim.Adam(critic.parameters(), lr=rates[1], betas=betas)
    for step in range(steps):
        real, fake = draw(step)
        loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
        real_step.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        real_step.step()
        fake_step.zero_grad(set_to_none=True)
        critic.requires_grad_(False)  # its gradients are not wanted here
        F.softplus(-critic(fake)).mean().backward()  # type: ignore[no-untyped-call]
        critic.requires_grad_(True)
        fake_step.step()
        report(step + 1, steps)


def halvings(
    channels: int, width: int, sides: tuple[int, ...]
) -> tuple[list[nn.Module], int, tuple[int, ...]]:
    """Layers from (channels, *sides) to sides below 8, the width doubling; then both."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    sides = tuple(side // 2 for side in sides)
    while min(sides) >= 8:
        layers += [
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
        ]
        width, sides = 2 * width, tuple(side // 2 for side in sides)
    return layers, width, sides
