"""A conditional WGAN-GP of digits (MIT, HayatoHongo/MNIST-Conditional-WGAN-gp).

Built from the description beside the weights; `load_state_dict` checks names and shapes.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.regeneration_parts.folders import real_generator


class ConditionalWgan(nn.Module):
    """Noise (n, 10) and labels (n,) int64 to digits (n, 1, 28, 28) in (-1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.label_emb = nn.Embedding(10, 10)
        self.l1 = nn.Sequential(nn.Linear(20, 128 * 7 * 7))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(128), nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128, 0.8), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding=1),
            nn.BatchNorm2d(64, 0.8), nn.ReLU(), nn.Conv2d(64, 1, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """One digit of each label."""
        start = self.l1(torch.cat([self.label_emb(labels), noise], dim=1))
        made: Tensor = self.conv_blocks(start.reshape(-1, 128, 7, 7))
        return made


def conditional_wgan() -> ConditionalWgan:
    """With its weights, frozen.

    Raises
    ------
    FileNotFoundError
        The weights are not here.
    """
    network = ConditionalWgan()
    network.load_state_dict(load_file(real_generator("cwgan_mnist") / "generator.safetensors"))
    return network.eval().requires_grad_(False)
