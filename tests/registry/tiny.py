"""Tiny random DCGANs, 16x16x3, and settings for fits of a second or two."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.detection.deepsad import DeepSadSettings
from flipad_ops.inversion import InversionSettings

LATENT = {"shape": [8, 1, 1], "distribution": "normal"}


class TinyDcgan(nn.Module):
    """8 -> 4x4 -> 8x8 -> 16x16x3."""

    def __init__(self, width: int = 8, activation: str = "tanh") -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(8, 2 * width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh() if activation == "tanh" else nn.Softmax(dim=1),
        )

    def forward(self, latents: Tensor) -> Tensor:
        return self.body(latents)


class Telling(TinyDcgan):
    """Whoever unpickles it leaves a note in the file `note`: process, environment, parent."""

    note: str

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        Path(self.note).write_text(json.dumps({"pid": os.getpid(), "env": sorted(os.environ)}))


def tiny_generator(
    seed: int, latent: bool = True, activation: str = "tanh"
) -> tuple[TinyDcgan, dict[str, Any]]:
    """A seeded random generator in evaluation mode and its "flipad" metadata."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TinyDcgan(activation=activation)
        # Default weights give flat grey images; these spread over the range.
        for parameter in module.parameters():
            if parameter.dim() == 4:
                nn.init.normal_(parameter, std=0.3)
        module.train()
        with torch.no_grad():
            for _ in range(20):
                module(torch.randn(64, 8, 1, 1))
    return module.eval(), {"latent": LATENT} if latent else {}


def tiny_settings(**changes: Any) -> FitSettings:
    fields: dict[str, Any] = {
        "inversion": InversionSettings(max_iterations=30, tolerance=0.05),
        "detector": DeepSadSettings(dim=16, epochs=4, batch_size=32),
        "own_train": 88,
        "own_calibration": 60,
        "own_test": 40,
        "anchor_samples": 64,
        "channels": 8,
        "min_negatives": 40,
        "max_negatives": 160,
        "student_steps": 2,
    }
    return FitSettings(**{**fields, **changes})


def small_settings(**changes: Any) -> FitSettings:
    """As small as the rules on sample counts allow."""
    counts = {"own_train": 40, "own_calibration": 30, "own_test": 20}
    return tiny_settings(
        **{"fnr": 0.05, "min_negatives": 36, "max_negatives": 72, **counts, **changes}
    )
