"""Seeded toy generators, one per kind of final layer, and their exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LATENT = 4
METADATA = {"latent": {"shape": [LATENT]}}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
KINDS = ("conv2d", "conv_transpose2d", "linear", "upsample")


class Reshape(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


def toy(kind: str, last: nn.Module | None = None, seed: int = 0) -> nn.Sequential:
    """Latents (n, 4) to samples (n, 3, 8, 8) that use the whole range of `last`."""
    head: dict[str, Callable[[], list[nn.Module]]] = {
        "conv2d": lambda: [
            nn.Linear(LATENT, 320),
            Reshape(5, 8, 8),
            nn.ReLU(),
            nn.Conv2d(5, 3, 3, padding=1),
        ],
        "conv_transpose2d": lambda: [
            nn.Linear(LATENT, 96),
            Reshape(6, 4, 4),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 3, 4, 2, 1),
        ],
        "linear": lambda: [nn.Linear(LATENT, 16), nn.ReLU(), nn.Linear(16, 192), Reshape(3, 8, 8)],
        "upsample": lambda: [
            nn.Linear(LATENT, 80),
            Reshape(5, 4, 4),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(5, 3, 3, padding=1),
        ],
    }
    return seeded(lambda: nn.Sequential(*head[kind](), last or nn.Tanh()), seed)


def seeded(build: Callable[[], nn.Sequential], seed: int = 0) -> nn.Sequential:
    """Build from `seed` alone, with weights large enough that activations bend."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(1.5)
    return module.eval()


def export(module: nn.Module, batch: str = "dynamic", shape: tuple[int, ...] = (LATENT,)) -> Any:
    """An FX module out of `torch.export`: batch "dynamic", or "one" for batches of one only."""
    size = torch.export.Dim.DYNAMIC if batch == "dynamic" else None
    example = torch.randn(2 if size else 1, *shape)
    dynamic = ({0: size},) if size else None
    return torch.export.export(module, (example,), dynamic_shapes=dynamic).module()


def dcgan16(seed: int = 0, last: nn.Module | None = None) -> nn.Sequential:
    """Latents (n, 4, 1, 1) to samples (n, 3, 16, 16)."""
    return seeded(
        lambda: nn.Sequential(
            nn.ConvTranspose2d(LATENT, 12, 4),
            nn.ReLU(),
            nn.ConvTranspose2d(12, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1),
            last or nn.Tanh(),
        ),
        seed,
    )
