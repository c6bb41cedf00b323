"""From nothing to a verdict: train, register, fit, scan, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.demo.gan import Generator, train_gan
from flipad_ops.demo.material import KINDS, LATENTS, write_found, write_negatives
from flipad_ops.demo.output_folder import claim, inside
from flipad_ops.demo.photos import photo_patches
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

if TYPE_CHECKING:
    from flipad_ops.workflows.fit_request import FitOutcome

MODEL = "demo-patches"
SIZE = 32
VERSIONS = ("1", "2")
#: Patches that both generators learn from.
TRAINING_PATCHES = 4000

Progress = Callable[[str, int, int], None]


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
        Of everything: training, fits and the scanned images.
    fdr : float
    settings : FitSettings
    """

    steps: int = 400
    scanned: int = 60
    seed: int = 0
    fdr: float = 0.05
    settings: FitSettings = field(default_factory=lambda: recipe("fast", max_negatives=1400))

    def smaller(self) -> DemoPlan:
        """Fits with fewer samples: to see the demo run, not to judge its figures."""
        settings = replace(
            self.settings, own_train=200, own_calibration=100, own_test=50, max_negatives=600
        )
        return replace(self, settings=settings)


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found.

    Parameters
    ----------
    outcome : ScanOutcome
    fits : tuple of FitOutcome
    counts, attributed, leaks : dict of kind (own, sibling, real) to int
        Scanned images, those below the threshold, and those of them that are leaks at the
        scan's false discovery rate.
    """

    outcome: ScanOutcome
    fits: tuple[FitOutcome, ...]
    counts: dict[str, int]
    attributed: dict[str, int]
    leaks: dict[str, int]

    @property
    def worked(self) -> bool:
        """All images scored; nearly all own ones attributed, nearly none of the others."""
        unread = not self.outcome.complete or len(self.outcome.skipped) > 0
        if unread or min(self.counts.values()) < 1:
            return False
        share = {kind: self.attributed[kind] / self.counts[kind] for kind in KINDS}
        return share["own"] >= 0.9 and share["sibling"] <= 0.1 and share["real"] <= 0.1


def run_demo(folder: Path, plan: DemoPlan, progress: Progress) -> DemoResult:
    """Run every step inside `folder`; its MLflow store and files stay there.

    Raises
    ------
    UsageError
        `folder` holds something that is not an earlier demo.
    """
    progress("cut photographs into patches", 0, 0)
    claim(folder)
    images = photo_patches("generator", TRAINING_PATCHES, SIZE, plan.seed)
    with inside(folder):
        generators = []
        for version in VERSIONS:
            stage = f"train generator version {version}"
            generator = train_gan(
                images,
                steps=plan.steps,
                seed=plan.seed * 100 + int(version),
                report=_named(progress, stage),
            )
            generators.append(generator)
        _register(generators, progress)
        write_negatives(Path("negatives"))
        fits = _fit(plan, progress)
        write_found(Path("found"), generators, plan.scanned, SIZE, plan.seed)
        outcome = _scan(plan, progress)
        return count_by_kind(outcome, fits)


def _register(generators: list[Generator], progress: Progress) -> None:
    from flipad_ops.registry.registering import register_generator

    for index, generator in enumerate(generators):
        progress("register both versions in MLflow", index, len(generators))
        register_generator(MODEL, generator, {"latent": LATENTS.to_dict()})
    progress("register both versions in MLflow", len(generators), len(generators))


def _fit(plan: DemoPlan, progress: Progress) -> tuple[FitOutcome, ...]:
    from flipad_ops.workflows.fit import fit
    from flipad_ops.workflows.fit_request import FitRequest

    fits = []
    for version, other in zip(VERSIONS, reversed(VERSIONS), strict=True):
        request = FitRequest(
            uri=f"models:/{MODEL}/{version}",
            negatives=("negatives",),
            negatives_models=(f"{MODEL}/{other}",),
            settings=replace(plan.settings, seed=plan.seed),
            accept_weak="a demonstration",  # what it prints says how weak
        )
        fits.append(fit(request, _prefixed(progress, f"fit version {version}: ")))
    return tuple(fits)


def _scan(plan: DemoPlan, progress: Progress) -> ScanOutcome:
    from flipad_ops.workflows.scan import ScanRequest, scan

    total, stage = len(KINDS) * plan.scanned, "scan the mixed folder"
    progress(stage, 0, total)
    request = ScanRequest(
        targets=("found",),
        models=(f"{MODEL}/{VERSIONS[0]}",),
        fdr=plan.fdr,
        outputs=("html=report.html", "jsonl=scan.jsonl"),
    )
    return scan(request, lambda done, found: progress(stage, done, total))


def count_by_kind(outcome: ScanOutcome, fits: tuple[FitOutcome, ...]) -> DemoResult:
    """The scan's verdicts by sub-folder."""
    counts, attributed, leaks = (dict.fromkeys(KINDS, 0) for _ in range(3))
    for finding in outcome.findings:
        kind = finding.row.key.split("/")[0]
        counts[kind] += 1
        attributed[kind] += finding.verdict != "clear"
        leaks[kind] += finding.verdict == "leak"
    return DemoResult(outcome, fits, counts, attributed, leaks)


def _named(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)


def _prefixed(progress: Progress, prefix: str) -> Progress:
    return lambda stage, done, total: progress(prefix + stage, done, total)
