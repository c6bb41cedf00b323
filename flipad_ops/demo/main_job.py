"""From nothing to a verdict: register, fit, scan, report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.demo.material import KINDS, OWN, RESIZED, write_found
from flipad_ops.demo.output_folder import claim, inside
from flipad_ops.demo.photographs import ORIGIN, write_negatives
from flipad_ops.demo.published import LATENTS, SIDE, other_generator, own_generator, require
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

if TYPE_CHECKING:
    from torch import nn

    from flipad_ops.workflows.fit_request import FitOutcome

MODEL, OTHER = "faces", "others-faces"
#: Patches that the fit is given of each.
PER_PHOTOGRAPH = 40

Progress = Callable[[str, int, int], None]


def small_fit(remake: bool) -> FitSettings:
    """What two cores fit in a minute, the second witness in ten."""
    if not remake:
        return recipe(
            "fast",
            own_train=600,
            own_calibration=300,
            own_test=60,
            anchor_samples=300,
            second_moments=True,  # tell two teams' faces apart
            fnr=0.02,
            widened=0.2,
            near_misses=0.2,
            recompressed=0.7,
        )
    return recipe(
        "fast",
        own_train=300,
        own_calibration=300,
        own_test=20,
        anchor_samples=300,
        max_negatives=500,
        near_misses=0.1,
        widened=0,
        recompressed=0,  # files are the second witness's part
        regeneration=RegenerationSettings(encoder_steps=1000, own=40, foreign=24, minutes=1000),
    )


@dataclass(frozen=True)
class DemoPlan:
    """How large a demo.

    Parameters
    ----------
    scanned : int
        Images of each kind in the scanned folder.
    seed : int
        Of everything: the fit and the scanned images.
    remake : bool
        Whether the fit has a second witness, which makes found images again.
    fdr : float
    """

    scanned: int = 12
    seed: int = 0
    remake: bool = False
    fdr: float = 0.05


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found.

    Parameters
    ----------
    outcome : ScanOutcome
    fit : FitOutcome or None
    counts, attributed, leaks : dict of kind to int
        Scanned images, those attributed, and those of them that are leaks at the scan's false
        discovery rate.
    """

    outcome: ScanOutcome
    fit: FitOutcome | None
    counts: dict[str, int]
    attributed: dict[str, int]
    leaks: dict[str, int]

    @property
    def worked(self) -> bool:
        """All images scored; own ones mostly attributed, few of the others.

        The first witness alone is not calibrated for resized ones; a second of a small fit misses
        more of all.
        """
        unread = not self.outcome.complete or len(self.outcome.skipped) > 0
        if unread or min(self.counts.values()) < 1:
            return False
        share = {kind: self.attributed[kind] / self.counts[kind] for kind in KINDS}
        own = {kind: share.pop(kind) for kind in OWN}
        alone = self.outcome.request.size_rule != "search"
        if alone:
            del own[RESIZED]
        return min(own.values()) >= (0.7 if alone else 0.6) and max(share.values()) <= 0.2


def run_demo(folder: Path, plan: DemoPlan, progress: Progress) -> DemoResult:
    """Run every step inside `folder`; its MLflow store and files stay there.

    Raises
    ------
    UsageError
        A package that the demo looks into is missing, or `folder` holds something that is not an
        earlier demo.
    """
    require()
    progress("read two public face generators", 0, 0)
    claim(folder)
    with inside(folder):
        own, other = own_generator(), other_generator()
        write_negatives(Path("negatives"), PER_PHOTOGRAPH, SIDE, plan.seed)
        write_found(Path("found"), own, other, plan.scanned, plan.seed)
        _register({MODEL: own, OTHER: other}, progress)
        fitted = _fit(plan, progress)
        # A second witness that turned out weak is left out; this fit says so.
        return count_by_kind(_scan(plan, "altered" in fitted.evaluation, progress), fitted)


def _register(generators: dict[str, nn.Module], progress: Progress) -> None:
    from flipad_ops.registry.registering import register_generator

    for index, (name, generator) in enumerate(generators.items()):
        progress("register them in MLflow", index, len(generators))
        register_generator(name, generator, {"latent": LATENTS.to_dict()})
    progress("register them in MLflow", len(generators), len(generators))


def _fit(plan: DemoPlan, progress: Progress) -> FitOutcome:
    from flipad_ops.workflows.fit import fit
    from flipad_ops.workflows.fit_request import FitRequest

    request = FitRequest(
        uri=f"models:/{MODEL}/1",
        negatives=("negatives",),
        negatives_models=(f"{OTHER}/1",),
        group=ORIGIN,
        settings=replace(small_fit(plan.remake), seed=plan.seed),
        accept_weak="a demonstration",  # what it prints says how weak
    )
    return fit(request, lambda stage, done, total: progress(f"fit: {stage}", done, total))


def _scan(plan: DemoPlan, heard: bool, progress: Progress) -> ScanOutcome:
    from flipad_ops.workflows.scan import ScanRequest, scan

    total, stage = len(KINDS) * plan.scanned, "scan the mixed folder"
    progress(stage, 0, total)
    request = ScanRequest(
        targets=("found",),
        models=(f"{MODEL}/1",),
        fdr=plan.fdr,
        size_rule="search" if heard else "resize",  # the first witness finds no copies
        outputs=("html=report.html", "jsonl=scan.jsonl"),
        illustrate=not heard,
    )
    return scan(
        request,
        lambda done, found: progress(stage, done, total),
        stages=lambda: nullcontext(progress),
    )


def count_by_kind(outcome: ScanOutcome, fit: FitOutcome | None) -> DemoResult:
    """The scan's verdicts by sub-folder."""
    counts, attributed, leaks = (dict.fromkeys(KINDS, 0) for _ in range(3))
    for finding in outcome.findings:
        kind = finding.row.key.split("/")[0]
        counts[kind] += 1
        attributed[kind] += finding.verdict != "clear"
        leaks[kind] += finding.verdict == "leak"
    return DemoResult(outcome, fit, counts, attributed, leaks)
