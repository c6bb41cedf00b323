"""What tests of domains share: the commands in this process, small fits, generators, images."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F
from typer.testing import CliRunner, Result

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.cli.app import app
from flipad_ops.demo.gan import Generator, train_gan
from flipad_ops.demo.photos import Purpose, photo_patches
from flipad_ops.detection import DeepSadSettings, auc
from flipad_ops.generators import EIGHT_BIT, SplitGenerator, split_generator
from flipad_ops.inversion import InversionSettings
from flipad_ops.samples.png import save_deep_png, save_png
from tests.registry.tiny import tiny_settings


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


#: A fit of some seconds, and how many own samples it draws.
SMALL = tiny_settings(
    fnr=0.05,
    own_train=60,
    own_calibration=40,
    own_test=20,
    min_negatives=36,
    max_negatives=120,
    students=0,
)
OWN = SMALL.own_train + SMALL.own_calibration + SMALL.own_test


@dataclass(frozen=True)
class House:
    """One folder with a store, in which commands run.

    Parameters
    ----------
    folder : Path
        The working directory.
    uri : str
        Tracking URI.
    """

    folder: Path
    uri: str

    def flipadops(self, *words: str, code: int = 0) -> str:
        """What a command prints; it must end with `code`."""
        return flipadops(*words, "--tracking-uri", self.uri, code=code).stdout

    def doctor(self, model: str, code: int = 0) -> dict[str, Any]:
        """The diagnosis of a version."""
        found: dict[str, Any] = json.loads(self.flipadops("doctor", model, "--json", code=code))
        return found

    def fit(self, model: str, settings: FitSettings = SMALL, size: int = 16) -> dict[str, Any]:
        """Fit against patches of photographs."""
        save(photo_patches("negatives", 120, size), self.folder / "negatives")
        (self.folder / "settings.json").write_text(json.dumps(settings.to_dict()))
        words = ("--negatives", "negatives", "--settings", "settings.json", "--json", "-q")
        # So small a fit need not tell relatives.
        outcome: dict[str, Any] = json.loads(
            self.flipadops("fit", model, *words, "--accept-weak", "a test of the way")
        )
        return outcome

    def scan(self, model: str, own: Tensor, size: int = 16) -> tuple[float, float]:
        """Scan own images and patches of photographs that no fit has seen: the share of own ones
        that is attributed, and the AUC between the two kinds."""
        save(own, self.folder / "found" / "own")
        save(patches("scan", 40, size), self.folder / "found" / "photos")
        words = ("--model", model, "-o", "json=scan.json", "--fdr", "0.2", "--fail-on", "never")
        self.flipadops("scan", "found", *words)
        images = json.loads((self.folder / "scan.json").read_text())["images"]
        assert {image["outcome"] for image in images} == {"scored"}
        scores: dict[str, list[float]] = {"own": [], "photos": []}
        hits = 0
        for image in images:
            kind = image["key"].split("/")[0]
            scores[kind].append(image["score"])
            hits += kind == "own" and image["attributed"]
        assert len(scores["own"]) == len(own)
        separation = auc(np.array(scores["own"]), np.array(scores["photos"]))
        return hits / len(own), separation

    def log_folder(self, name: str, folder: Path) -> None:
        """Register a folder of artifacts as a version, as any tool that knows MLflow can."""
        mlflow.set_tracking_uri(self.uri)
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(folder), "generator")
        client = MlflowClient(self.uri)
        client.create_registered_model(name)
        client.create_model_version(name, f"runs:/{run.info.run_id}/generator", run.info.run_id)
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def patches(purpose: Purpose, count: int, size: int = 16) -> Tensor:
    """Patches of the photographs that scikit-learn ships."""
    return photo_patches(purpose, count, size, seed=1)


def descend(module: torch.nn.Module, loss: Any, steps: int, rate: float = 3e-3) -> None:
    """Adam on `loss()`, seeded."""
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            loss().backward()
            optimiser.step()
