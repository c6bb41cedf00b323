"""Fit an attributor to a split generator: sample, invert, train, calibrate, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from flipad_ops.attribution.fit_inverter import build_inverter
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignImages, gather_foreign
from flipad_ops.attribution.inversion_runs import Clock, Inversions, Progress, silent
from flipad_ops.attribution.own_samples import OwnSamples, draw_own
from flipad_ops.attribution.relatives import held_out_relatives
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.stages.calibrate import calibrate
from flipad_ops.attribution.stages.held_out import evaluate
from flipad_ops.attribution.stages.pack import pack
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.remake import SecondFitted, fit_second
from flipad_ops.attribution.stages.scoring import Scoring
from flipad_ops.attribution.stages.train import train
from flipad_ops.attribution.training_set import training_set
from flipad_ops.common.allocator import freed_memory_kept
from flipad_ops.detection import every_view
from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator
from flipad_ops.inversion import Inverter

__all__ = ["FitResult", "fit_attributor"]

InverterFactory = Callable[[FinalLayer, OutputMap, Tensor, FitSettings, str], Inverter]


def fit_attributor(
    generator: SplitGenerator,
    foreign: Mapping[str, ForeignImages],
    settings: FitSettings,
    *,
    own: OwnSamples | None = None,
    equivalence_class: tuple[str, ...] = (),
    device: str = "cpu",
    progress: Progress = silent,
    make_inverter: InverterFactory = build_inverter,
) -> FitResult:
    """Fit, calibrate and evaluate (FLIPAD, section 4, with the calibration of METHOD 4.5).

    Memory is bounded by images and features, not by activations, which lie in a temporary file
    (`ActivationFile`). It holds at a time: all images given and made, float32, those trained on up
    to six times; DeepSAD's features twice, `channels` times at most 32x32 float32 an image; and
    about 2 GiB of the activations at hand, the solver's states and the statistics' sums.

    Parameters
    ----------
    generator : SplitGenerator
    foreign : mapping of source name to ForeignImages
        Images of the generator's `sample_shape` that are known not to be its own.
    settings : FitSettings
    own : OwnSamples, optional
        What `draw_own` drew for these settings, if it was drawn before.
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
    UsageError
        An extra view is not installed.
    """
    every_view(settings.extra_views)
    splits = gather_foreign(foreign, generator.sample_shape, settings)
    clock, layer = Clock(progress), generator.layer
    with clock.stage("anchor"):
        seed = stream(settings.seed, "anchor")
        anchor = generator.mean_activation(settings.anchor_samples, seed)
    inverter = make_inverter(layer, generator.output_map, anchor, settings, device)
    with clock.stage("sample"):
        own = own or draw_own(generator, settings)
        training = training_set(
            generator, own.training, splits, settings, lambda *done: progress("students", *done)
        )
        relatives = held_out_relatives(
            generator, own, splits, settings, lambda *done: progress("relatives", *done)
        )
        plan = Plan(generator, settings, device, anchor, own, splits, relatives)
    run = Inversions(inverter, layer.output_shape, progress, generator.grid.step)
    with clock.stage("invert"):
        run.begin("invert", len(training.inverted))
        training = replace(training, activations=run.recover(training.inverted))
    strange = training.inverted[training.counts[0] :]
    with clock.stage("train"):
        trained = train(training, settings, device, progress)
    sources = training.sources
    del training
    scoring = Scoring(run, trained.features, trained.detector, device)
    with clock.stage("calibrate"):
        calibration = calibrate(plan, scoring)
    with clock.stage("evaluate"):
        evaluated = evaluate(plan, scoring, calibration)
    second: SecondFitted | str = ""
    if settings.regeneration.wanted:
        with clock.stage("remake"), freed_memory_kept():
            second = fit_second(plan, scoring, strange, sources, calibration.threshold)
    return pack(
        plan, run, trained, calibration, evaluated, second,
        equivalence_class=equivalence_class, timings=clock.timings,
    )  # fmt: skip
