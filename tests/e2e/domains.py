"""What the tests of domains share: the commands in this process, and settings for small fits."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F
from typer.testing import CliRunner, Result

from flipad_ops.cli.app import app
from flipad_ops.demo.gan import Generator, train_gan
from flipad_ops.detection import DeepSadSettings
from flipad_ops.fit_settings import FitSettings
from flipad_ops.generators import EIGHT_BIT, SplitGenerator, split_generator
from flipad_ops.images.png import save_deep_png, save_png
from flipad_ops.inversion import InversionSettings


def flipadops(*arguments: str, code: int = 0) -> Result:
    """Run a command that must end with `code`."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, (result.exception, result.output)
    return result


def small(path: Path, **changes: Any) -> str:
    """A file of settings for a fit of some seconds."""
    settings = FitSettings(
        inversion=InversionSettings(tolerance=0.1),
        detector=DeepSadSettings(dim=32, epochs=6, learning_rate=1e-3),
        own_train=400,
        own_calibration=250,
        own_test=60,
        anchor_samples=200,
        students=0,
        recompressed=0,
        second_moments=False,
        min_negatives=40,
        max_negatives=600,
    )
    path.write_text(json.dumps(replace(settings, **changes).to_dict()))
    return str(path)


def summary(text: str) -> dict[str, Any]:
    """The summary of a scan's JSON output."""
    found: dict[str, Any] = json.loads(text)["summary"]
    return found


SIDE, STEPS = 16, 200
METADATA = {"latent": {"shape": [64, 1, 1], "distribution": "normal"}}


@cache
def real() -> Tensor:
    """The digits that scikit-learn ships, enlarged to (1797, 1, SIDE, SIDE) float32 in [0, 1]."""
    digits = torch.from_numpy(load_digits().images).float()[:, None] / 16
    return F.interpolate(digits, (SIDE, SIDE), mode="bicubic").clamp(0, 1)


@cache
def gan(seed: int) -> Generator:
    """A greyscale DCGAN of the first thousand digits."""
    return train_gan(EIGHT_BIT.round(real()[:1000]), steps=STEPS, seed=seed, width=16)


def split(seed: int, **words: Any) -> SplitGenerator:
    """The same, split; `words` go into its metadata."""
    return split_generator(gan(seed), {**METADATA, **words})


def walk(seed: int, frames: int, start: int) -> Tensor:
    """A clip: frames of a GAN whose latent moves from one draw to another."""
    source = torch.Generator().manual_seed(start)
    ends = torch.randn(2, 64, 1, 1, generator=source)
    share = torch.linspace(0, 1, frames)[:, None, None, None]
    path = ends[:1] * (1 - share) + ends[1:] * share
    # At a typical distance from the origin, where the prior has its mass.
    path = path / path.flatten(1).norm(dim=1)[:, None, None, None] * 8
    made = split(seed)
    return made.grid.round(made.output_map.to_pixels(made.run(path)[0]))


def save(images: Tensor, folder: Path, name: str = "{:04d}.png", bits: int = 8) -> Path:
    """Images (n, channels, height, width) in [0, 1] as PNG files; with 16 bits greyscale."""
    folder.mkdir(parents=True, exist_ok=True)
    write = save_png if bits == 8 else save_deep_png
    for number, image in enumerate(images):
        write(image, folder / name.format(number))
    return folder


def register(name: str, seed: int, folder: Path, store: str, *options: str) -> None:
    """Register GAN `seed` with the command."""
    weights = folder / f"gan-{seed}.safetensors"
    save_file(gan(seed).state_dict(), weights)
    flipadops(
        "register", name, "--factory", "flipad_ops.demo.gan:Generator",
        "--arg", f"size={SIDE}", "--arg", "channels=1", "--arg", "width=16",
        "--weights", str(weights), "--latent", "64,1,1", "--tracking-uri", store, *options,
    )  # fmt: skip
