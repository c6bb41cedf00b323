"""A kind of generator from registration to findings, by the commands that every kind has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow import MlflowClient
from torch import Tensor

from flipad_ops.demo.photos import Purpose, photo_patches
from flipad_ops.detection import auc
from flipad_ops.fit_settings import FitSettings
from tests.e2e.domains import flipadops, save
from tests.registry.tiny import tiny_settings

#: A fit of some seconds, and how many own samples it draws.
SMALL = tiny_settings(
    fnr=0.05, own_train=60, own_calibration=40, own_test=20, min_negatives=36, max_negatives=120
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
        outcome: dict[str, Any] = json.loads(self.flipadops("fit", model, *words))
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
