"""From nothing to a verdict: train, register, fit, scan, report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from flipad_ops.demo.gan import LATENT, Generator, train_gan
from flipad_ops.demo.photos import STRIPS, photo_patches, photographs
from flipad_ops.detection import DeepSadSettings
from flipad_ops.errors import UsageError
from flipad_ops.fit_settings import FitSettings, recipe
from flipad_ops.generators import LatentSpec, default_output_map, quantise
from flipad_ops.images.png import save_png
from flipad_ops.scanning.run import ScanOutcome

MODEL = "demo-patches"
SIZE = 32
VERSIONS = ("1", "2")
#: Written first, so that a second run knows the folder is the demo's own.
MARKER = ".flipadops-demo"

Progress = Callable[[str, int, int], None]


def _demo_settings() -> FitSettings:
    return recipe(
        "fast",
        own_train=500,
        own_calibration=400,
        own_test=200,
        anchor_samples=500,
        max_negatives=1400,
        detector=DeepSadSettings(epochs=12),
    )


@dataclass(frozen=True)
class DemoPlan:
    """How large a demo.

    Parameters
    ----------
    steps : int
        Training steps of each generator.
    scanned : int
        Images of each kind in the scanned folder.
    seed : int
    settings : FitSettings
    """

    steps: int = 500
    scanned: int = 60
    seed: int = 0
    fdr: float = 0.05
    settings: FitSettings = field(default_factory=_demo_settings)


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found; `flagged` and `counts` by kind (own, sibling, real)."""

    outcome: ScanOutcome
    flagged: dict[str, int]
    counts: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def worked(self) -> bool:
        """Nearly all own images flagged, nearly none of the others."""
        share = {kind: self.flagged[kind] / max(self.counts[kind], 1) for kind in self.counts}
        return share["own"] >= 0.9 and share["sibling"] <= 0.1 and share["real"] <= 0.1


def run_demo(folder: Path, plan: DemoPlan, progress: Progress) -> DemoResult:
    """Run every step inside `folder`; its MLflow store and files stay there.

    Raises
    ------
    UsageError
        `folder` holds something that is not an earlier demo.
    """
    _claim(folder)
    with _inside(folder):
        images = photo_patches("generator", 4000, SIZE, plan.seed)
        generators = []
        for version in VERSIONS:
            stage = f"train generator version {version}"
            generators.append(
                train_gan(
                    images,
                    steps=plan.steps,
                    seed=plan.seed * 100 + int(version),
                    report=lambda done, total, stage=stage: progress(stage, done, total),  # type: ignore[misc]
                )
            )
        _register(generators, progress)
        _write_negatives(Path("negatives"))
        notes = _fit(plan, progress)
        _write_found(Path("found"), generators, plan)
        outcome = _scan(plan, progress)
    flagged = dict.fromkeys(("own", "sibling", "real"), 0)
    counts = dict(flagged)
    for finding in outcome.findings:
        kind = finding.row.key.split("/")[0]
        counts[kind] += 1
        flagged[kind] += finding.verdict != "clear"
    return DemoResult(outcome, flagged, counts, notes)


def _claim(folder: Path) -> None:
    """Make the folder, or empty it when an earlier demo made it."""
    import shutil

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --dir.")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise UsageError(f"{folder} is not empty and no earlier demo; name another --dir.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("Made by `flipadops demo`; a new demo empties this folder.\n")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in `folder` with MLflow's embedded default store there."""
    import mlflow

    saved = os.environ.pop("MLFLOW_TRACKING_URI", None)
    before = mlflow.get_tracking_uri()
    with contextlib.chdir(folder):
        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)
            if saved is not None:
                os.environ["MLFLOW_TRACKING_URI"] = saved


def _register(generators: list[Generator], progress: Progress) -> None:
    from flipad_ops.registry.registering import register_generator

    for index, generator in enumerate(generators):
        progress("register", index + 1, len(generators))
        metadata = {"latent": LatentSpec((LATENT, 1, 1)).to_dict()}
        register_generator(MODEL, generator, metadata)


def _fit(plan: DemoPlan, progress: Progress) -> tuple[str, ...]:
    from pipelines.fit import run_fit
    from pipelines.request import FitRequest

    notes: tuple[str, ...] = ()
    for version, other in zip(VERSIONS, reversed(VERSIONS), strict=True):
        request = FitRequest(
            uri=f"models:/{MODEL}/{version}",
            negatives=("negatives",),
            negatives_models=(f"{MODEL}/{other}",),
            settings=replace(plan.settings, seed=plan.seed),
        )
        outcome = run_fit(
            request,
            lambda stage, done, total, v=version: progress(
                f"fit version {v}: {stage}", done, total
            ),  # type: ignore[misc]
        )
        notes += outcome.notes
    return notes


def _write_negatives(folder: Path, rows: int = 6, columns: int = 3) -> None:
    """The negatives' strips as tiles, so that a fit can hold whole tiles back for its test."""
    start, stop = STRIPS["negatives"]
    for number, photo in enumerate(photographs()):
        left, right = round(start * photo.shape[2]), round(stop * photo.shape[2])
        strip = photo[:, :, left:right]
        for row, band in enumerate(strip.tensor_split(rows, dim=1)):
            for column, tile in enumerate(band.tensor_split(columns, dim=2)):
                save_png(tile, folder / f"photo{number}-{row}-{column}.png")


def _write_found(folder: Path, generators: list[Generator], plan: DemoPlan) -> None:
    """The folder to scan: new samples of both versions and unseen real patches."""
    latents = LatentSpec((LATENT, 1, 1)).sample(plan.scanned, seed=987_654 + plan.seed)
    to_pixels = default_output_map("tanh").to_pixels
    with torch.no_grad():
        kinds = {
            "own": quantise(to_pixels(generators[0](latents))),
            "sibling": quantise(to_pixels(generators[1](latents))),
            "real": photo_patches("scan", plan.scanned, SIZE, plan.seed),
        }
    for kind, images in kinds.items():
        for index, image in enumerate(images):
            save_png(image, folder / kind / f"{index:03d}.png")


def _scan(plan: DemoPlan, progress: Progress) -> ScanOutcome:
    from flipad_ops.registry.scorers import load_scorers
    from flipad_ops.scanning.exhibits import collect_exhibits, reference_exhibit
    from flipad_ops.scanning.outputs import write_outputs
    from flipad_ops.scanning.run import ScanRequest, run_scan
    from flipad_ops.scanning.targets import open_target

    scorers = load_scorers([f"{MODEL}/1"], False, "cpu", None)
    request = ScanRequest(targets=[open_target("found")], fdr=plan.fdr)
    total = 3 * plan.scanned
    outcome = run_scan(request, scorers, lambda done, found: progress("scan", done, total))
    outcome.exhibits = collect_exhibits(outcome, scorers)
    outcome.reference = reference_exhibit(scorers)
    write_outputs(outcome, [("html", Path("report.html")), ("jsonl", Path("scan.jsonl"))])
    return outcome
