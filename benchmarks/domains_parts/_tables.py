"""Small generators of table rows: a GAN and, as the paper's foreign source, a VAE (after TVAE)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.zoo.training import descend, in_turn
from flipad_ops.samples.columns import Column, Columns

LATENT, FEATURES = 16, 100
BATCH = 64
#: Ranges reach so far beyond the data, as a share of its spread.
MARGIN = 0.1


class TableGenerator(nn.Module):
    """(batch, LATENT) to (batch, columns) in (-1, 1): FEATURES, one Linear layer, tanh."""

    def __init__(self, columns: int, features: int = FEATURES) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(LATENT, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, features), nn.BatchNorm1d(features), nn.ReLU(),
            nn.Linear(features, columns), nn.Tanh(),
        )  # fmt: skip

    def forward(self, latents: Tensor) -> Tensor:
        """Rows, scaled."""
        return self.body(latents)


def columns_of(names: list[str], values: NDArray[np.float64]) -> Columns:
    """Ranges and last decimals of a real table (n, columns)."""
    found = []
    for name, column in zip(names, values.T, strict=True):
        places = (d for d in range(7) if np.allclose(column, column.round(d), rtol=0, atol=1e-9))
        step = 10.0 ** -next(places, 6)
        reach = MARGIN * (column.max() - column.min())
        low = float(np.floor((column.min() - reach) / step) * step)
        high = float(np.ceil((column.max() + reach) / step) * step)
        found.append(Column(name, low, high, step))
    return Columns(tuple(found))


def train_gan(rows: Tensor, steps: int, seed: int) -> TableGenerator:
    """A GAN with the non-saturating loss and a gradient penalty on real rows.

    Parameters
    ----------
    rows : Tensor, float32, (n, columns) in [0, 1]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        count = rows.shape[1]
        made = TableGenerator(count)
        judge = nn.Sequential(
            nn.Linear(count, 128), nn.LeakyReLU(0.2), nn.Linear(128, 64), nn.LeakyReLU(0.2),
            nn.Linear(64, 1),
        )  # fmt: skip

        def judged() -> Tensor:
            real = (rows[torch.randint(len(rows), (BATCH,))] * 2 - 1).requires_grad_()
            fake = made(torch.randn(BATCH, LATENT))
            told = judge(real)
            slope = torch.autograd.grad(told.sum(), real, create_graph=True)[0]
            loss = F.softplus(-told).mean() + F.softplus(judge(fake.detach())).mean()
            return loss + 0.5 * slope.square().sum(dim=1).mean()

        def fooled() -> Tensor:
            return F.softplus(-judge(made(torch.randn(BATCH, LATENT)))).mean()

        in_turn(made, judge, steps, judged, fooled, lr=1e-3, betas=(0.5, 0.9))
    return made.eval()


def train_vae(rows: Tensor, steps: int, seed: int) -> TableGenerator:
    """The decoder of a variational autoencoder of real rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        count = rows.shape[1]
        made = TableGenerator(count)
        reader = nn.Sequential(nn.Linear(count, 64), nn.ReLU(), nn.Linear(64, 2 * LATENT))
        optimiser = torch.optim.Adam([*made.parameters(), *reader.parameters()], lr=1e-3)
        for _ in range(steps):
            real = rows[torch.randint(len(rows), (BATCH,))] * 2 - 1
            mean, log_variance = reader(real).chunk(2, dim=1)
            latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
            divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
            error = 20 * (made(latents) - real).square().sum(dim=1)
            descend(optimiser, (error + divergence).mean())
    return made.eval()
