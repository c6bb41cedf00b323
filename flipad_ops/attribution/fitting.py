"""Fit an attributor to a split generator: sample, invert, train, calibrate, evaluate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor, Calibration, build_inverter
from flipad_ops.attribution.augmentation import LOSSY, mixture
from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignImages, ForeignSplit, split_foreign
from flipad_ops.attribution.inversion_runs import INVERT_CHUNK, Inversions, Progress, silent
from flipad_ops.attribution.lossy_calibration import calibrate_lossy, evaluate_lossy
from flipad_ops.attribution.self_made import recompressed
from flipad_ops.attribution.training_set import training_set
from flipad_ops.common.errors import DataError
from flipad_ops.detection import Views, fit_detector, fit_pixels, threshold_at_fnr
from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator
from flipad_ops.inversion import Inverter

InverterFactory = Callable[[FinalLayer, OutputMap, Tensor, FitSettings, str], Inverter]
#: False negative rate of the branch for altered images, each of whose views has its own threshold.
ALTERED_FNR = 0.02
#: Of its gate: images that were hardly altered stay outside.
GATE_FNR = 0.05


@dataclass(eq=False)
class FitResult:
    """An attributor and what a reviewer of the fit wants to see.

    Parameters
    ----------
    attributor : Attributor
    losses : list of float
        Mean training loss per epoch.
    test_scores : mapping of "own" and each stratum to (n,) float64
        Held-out scores behind `attributor.evaluation`.
    examples : mapping of "own" and each stratum to Tensor
        A few test images each, (k, *sample_shape).
    mean_activations : mapping of "own", "foreign" to Tensor, (*layer.input_shape)
    timings : mapping of stage to seconds
    unconverged : float
        Share of inversions that did not reach the tolerance.
    grouped : bool
        False when images of one origin may sit in training and test.
    """

    attributor: Attributor
    losses: list[float]
    test_scores: dict[str, NDArray[np.float64]]
    examples: dict[str, Tensor]
    mean_activations: dict[str, Tensor]
    timings: dict[str, float]
    unconverged: float
    grouped: bool


@dataclass(eq=False)
class _Clock:
    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.progress(name, 0, 0)
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


def fit_attributor(
    generator: SplitGenerator,
    foreign: Mapping[str, ForeignImages],
    settings: FitSettings,
    *,
    equivalence_class: tuple[str, ...] = (),
    device: str = "cpu",
    progress: Progress = silent,
    make_inverter: InverterFactory = build_inverter,
) -> FitResult:
    """Fit, calibrate and evaluate (FLIPAD, section 4, with the calibration of METHOD 4.5).

    Parameters
    ----------
    generator : SplitGenerator
    foreign : mapping of source name to ForeignImages
        Images of the generator's `sample_shape` that are known not to be its own.
    settings : FitSettings
    equivalence_class : tuple of str
        Versions that share this final layer, named in every finding.
    make_inverter : callable
        Where the inverter comes from; benchmarks pass one that remembers.

    Raises
    ------
    NegativesTooFew
    DataError
        Images of another shape or range, or a source called "own".
    InversionError
    """
    _check(foreign, generator.sample_shape)
    clock = _Clock(progress)
    splits = split_foreign(
        foreign,
        minimum=settings.min_negatives,
        maximum=settings.max_negatives,
        seed=settings.seed,
        more=settings.more_null,
    )
    with clock.stage("anchor"):
        anchor = generator.mean_activation(settings.anchor_samples, _seed(settings, 1))
    inverter = make_inverter(generator.layer, generator.output_map, anchor, settings, device)
    with clock.stage("sample"):
        counts = (settings.own_train, settings.own_calibration, settings.own_test)
        own = torch.split(own_samples(generator, settings), list(counts))
        training = training_set(
            generator, own[0], splits, settings, lambda *done: progress("students", *done)
        )
        own_altered = mixture(own[1][: len(training.own_perturbed)], _seed(settings, 8))
    run = Inversions(inverter, generator.layer.output_shape, progress, generator.grid.step)
    with clock.stage("invert"):
        run.begin("invert", len(training))
        own_views, foreign_views, own_perturbed, foreign_perturbed = (
            Views(images, run.invert(images))
            for images in (
                training.own,
                training.foreign,
                training.own_perturbed,
                training.foreign_perturbed,
            )
        )
    with clock.stage("train"):
        shown, pixel = own[0], None
        if len(training.own_altered):
            pixel = fit_pixels(
                training.own_altered,
                training.foreign_altered,
                seed=settings.seed,
                device=device,
            )
        elif not len(own_perturbed):  # Leaks come as JPEG files too, whose spectrum differs.
            shown = torch.cat([shown, recompressed(shown, _seed(settings, 5))])
        features, detector, losses = fit_detector(
            own_views,
            foreign_views,
            own_perturbed,
            foreign_perturbed,
            pixel=pixel,
            own_lossy=mixture(own[0], _seed(settings, 13), LOSSY) if pixel else own[0],
            own_rows=training.own_rows,
            shown=shown,
            sources=training.sources,
            unrelated=training.unrelated,
            channels=settings.channels,
            fusion=settings.fusion,
            second_moments=settings.second_moments,
            settings=settings.detector,
            seed=settings.seed,
            device=device,
            report=lambda epoch, epochs, _: progress("train", epoch, epochs),
        )
    means = {
        "own": own_views.activations.mean(dim=0),
        "foreign": foreign_views.activations[: training.given].mean(dim=0),
    }
    del own_views, foreign_views, own_perturbed, foreign_perturbed

    def views(images: Tensor) -> list[Tensor]:
        pairs = zip(run.stream(images), torch.split(images, INVERT_CHUNK), strict=True)
        moved = ((z.to(device), chunk.to(device)) for z, chunk in pairs)
        chunks = [detector.views(features(z), z, x) for z, x in moved]
        return [torch.cat(parts).cpu() for parts in zip(*chunks, strict=True)]

    def score(images: Tensor, as_made: bool = False) -> NDArray[np.float64]:
        """Like the attributor; see `Detector.screen`."""
        screen = detector.screen(images.to(device), as_made)
        scores, rows = screen.score.cpu(), (~screen.decided.cpu()).nonzero()[:, 0]
        run.skip(len(images) - len(rows))
        if len(rows):
            scores[rows] = detector.combine(views(images[rows]))
        return scores.numpy()

    with clock.stage("calibrate"):
        counted = len(own[1]) + len(own_altered) + sum(len(s.calibration) for s in splits.values())
        run.begin("calibrate", counted)
        calibration_views = views(own[1])
        if settings.fusion:
            detector.parts[0].calibrate(calibration_views[0].numpy(), settings.fnr)
            for branch in detector.parts[1:]:
                altered = views(own_altered)[1]
                branch.calibrate(altered.numpy(), ALTERED_FNR, GATE_FNR)
        own_scores = detector.combine(calibration_views).numpy()
        threshold = threshold_at_fnr(own_scores, settings.fnr)
        if settings.fusion:
            detector.cutoff.fill_(threshold)
        null_scores = {name: score(split.calibration, True) for name, split in splits.items()}
        altered_null = calibrate_lossy(detector, own[1], splits, settings, threshold, device)
    with clock.stage("evaluate"):
        run.begin("evaluate", len(own[2]) + sum(len(s.test) for s in splits.values()))
        test_scores = {"own": score(own[2])}
        test_scores |= {name: score(split.test) for name, split in splits.items()}
    strata = {name: values for name, values in test_scores.items() if name != "own"}
    evaluation = evaluate_scores(test_scores["own"], strata, threshold)
    if altered_null:
        evaluation["recompressed"] = evaluate_lossy(detector, own[2], splits, settings, threshold)
    attributor = Attributor(
        layer=generator.layer,
        output_map=generator.output_map,
        anchor=anchor,
        sample_shape=generator.sample_shape,
        features=features,
        detector=detector,
        calibration=Calibration(threshold, own_scores, null_scores, altered_null),
        settings=settings,
        generator=describe(generator, equivalence_class),
        evaluation=evaluation,
        reference=None if generator.columns else (own[2][0] * 255).round().to(torch.uint8),
        device=device,
        inverter=inverter,
        grid=generator.grid,
        columns=generator.columns,
    )
    return FitResult(
        attributor=attributor,
        losses=losses,
        test_scores=test_scores,
        examples=_examples(own[2], splits),
        mean_activations=means,
        timings=clock.timings,
        unconverged=run.share_unconverged,
        grouped=all(split.grouped for split in splits.values()),
    )


def own_seed(settings: FitSettings) -> int:
    """The seed of the latents behind a fit's own samples."""
    return _seed(settings, 2)


def own_samples(generator: SplitGenerator, settings: FitSettings) -> Tensor:
    """The own samples of a fit, float32 (n, *sample_shape): training, calibration, then test."""
    count = settings.own_train + settings.own_calibration + settings.own_test
    return generator.sample(count, own_seed(settings))


def describe(generator: SplitGenerator, equivalence_class: tuple[str, ...]) -> dict[str, Any]:
    """What an attributor records about the generator it was fitted for."""
    return {
        "name": generator.name,
        "version": generator.version,
        "final_layer_sha256": generator.layer.sha256(),
        "decoder_sha256": generator.decoder_sha256,
        "equivalence_class": list(equivalence_class),
        "latent": generator.latent.to_dict(),
    }


def _check(foreign: Mapping[str, ForeignImages], shape: tuple[int, ...]) -> None:
    if "own" in foreign:
        raise DataError("A source of foreign images cannot be called 'own'.")
    for name, source in foreign.items():
        images = source.images
        if tuple(images.shape[1:]) != shape:
            raise DataError(
                f"Images of source {name!r} have shape {list(images.shape[1:])}; the generator "
                f"makes {list(shape)}."
            )
        if len(images) and not bool((images.min() >= 0) & (images.max() <= 1)):
            raise DataError(f"Images of source {name!r} are not pixels between 0 and 1.")


def _seed(settings: FitSettings, purpose: int) -> int:
    """Distinct streams per purpose, so that no latent serves two of them."""
    return settings.seed * 1000 + purpose


def _examples(own: Tensor, splits: Mapping[str, ForeignSplit], count: int = 8) -> dict[str, Tensor]:
    return {"own": own[:count]} | {name: split.test[:count] for name, split in splits.items()}
