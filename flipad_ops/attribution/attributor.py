"""The attributor: recovers an image's activation and says how far it is from its own kind."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fit_inverter import build_inverter
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.judgement import Attribution, Calibration, Screening
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.attribution.two_witnesses import SecondWitness, make_regenerator
from flipad_ops.common.errors import AttributorError, InversionError, WrongImageSize
from flipad_ops.detection import Detector, FeatureMap
from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator
from flipad_ops.generators.layer import tensor_bytes
from flipad_ops.inversion import InversionResult, Inverter
from flipad_ops.regeneration.witness_model import WitnessModel
from flipad_ops.samples.space import SampleSpace

#: Said of every score of an attributor that was fitted to samples without a model.
WITHOUT = (
    "Without inversion: fitted to samples alone, so it sees the image and not its final layer."
)


@dataclass(eq=False)
class Attributor:
    """Final layer, anchor, features, detector and calibration: all that scoring needs.

    Made by `attribution.fitting.fit_attributor` or `attribution.serialisation.load_attributor`.

    Parameters
    ----------
    layer, output_map, anchor
        The generator's output side; `anchor` has shape `layer.input_shape`.
    space : SampleSpace
        What its samples are, and which values they are stored in.
    features, detector, calibration
        The fitted parts.
    settings : FitSettings
    generator : mapping
        name, version, decoder_sha256, final_layer_sha256, equivalence_class.
    evaluation : mapping
        Held-out figures by stratum, see `flipad_ops.attribution.evaluation`.
    reference : Tensor, uint8, sample_shape, or None
        A held-out own sample, shown beside findings.
    regeneration : WitnessModel or None
        What the second witness learned; it speaks once its generator was brought.
    inverter : Inverter, optional
        One that solves the same problem in another way; benchmarks remember inversions with it.
    """

    layer: FinalLayer
    output_map: OutputMap
    anchor: Tensor
    space: SampleSpace
    features: FeatureMap
    detector: Detector
    calibration: Calibration
    settings: FitSettings
    generator: Mapping[str, Any]
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    reference: Tensor | None = None
    device: str = "cpu"
    regeneration: WitnessModel | None = None
    inverter: Inverter | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.detector = self.detector.to(self.device).eval()
        self._inverter = self.inverter or build_inverter(
            self.layer, self.output_map, self.anchor, self.settings, self.device
        )
        self._second: SecondWitness | None = None
        self._spent: dict[str, tuple[int, float]] = {}

    def bring(self, generator: SplitGenerator) -> None:
        """Let the second witness speak, by the generator that the attributor was fitted for.

        Raises
        ------
        AttributorError
            The attributor was fitted without a second witness, or the generator's own encoder,
            which it needs, is not there.
        """
        if self.regeneration is None:
            raise AttributorError("This attributor was fitted without a second witness.")
        regenerator = make_regenerator(generator, self.regeneration, self.settings.regeneration)
        self._second = SecondWitness(regenerator, self.calibration, self.device)

    @property
    def p_floor(self) -> float:
        """The smallest p-value there can be, by the witnesses that speak."""
        floor = self.calibration.floor
        return floor if self._second is None else min(1.0, 2 * floor)

    @property
    def rates(self) -> Mapping[str, Any]:
        """Held-out figures of whoever speaks: both witnesses, or the first alone."""
        alone = self.evaluation.get("first_witness")
        return self.evaluation if self._second is not None or alone is None else alone

    @property
    def remade_own(self) -> tuple[float, ...]:
        """`Testimony.ratio` of own calibration images; empty without a second witness."""
        return () if self._second is None else tuple(self._second.own.tolist())

    @property
    def remade_null(self) -> Mapping[str, tuple[float, ...]]:
        """The same of foreign ones, by stratum."""
        if self._second is None:
            return {}
        return {name: tuple(r.tolist()) for name, r in self.calibration.remade_null.items()}

    @property
    def second_witness(self) -> str:
        """What the second witness is, or why it says nothing; a sentence."""
        if self.regeneration is None:
            return str(self.evaluation.get("no_second_witness", ""))
        if self._second is None:
            return "The second witness is silent: its generator is not at hand."
        return " ".join(filter(None, (self._second.told, self.evaluation.get("fewer"))))

    @property
    def second(self) -> SecondWitness | None:
        """The second witness, if it speaks."""
        return self._second

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.space.shape

    @property
    def basis(self) -> str:
        """What every score rests on, if not the usual inversion; a sentence."""
        return "" if self.layer.inverts else WITHOUT

    def invert(self, pixels: Tensor, step: float | Tensor | None = None) -> InversionResult:
        """Recover activations of (n, *sample_shape) pixels in [0, 1] on the grid of `step`, or
        on the attributor's own.

        Raises
        ------
        WrongImageSize
        """
        self._check_shape(pixels)
        step = self.space.grid.step if step is None else step
        with self._timed("invert", len(pixels)):
            return self._inverter.invert(
                pixels.reshape(len(pixels), *self.layer.output_shape), step
            )

    def score(self, pixels: Tensor, step: float | Tensor | None = None) -> Attribution:
        """Invert and score (n, *sample_shape) pixels; see `invert` for errors."""
        screening = self.screen(pixels)
        rows = np.flatnonzero(screening.needed)
        inverted = self.invert(pixels[rows], step) if len(rows) else None
        result = self.conclude(pixels, screening, inverted)
        if not np.isfinite(result.score).all():  # NaN would pass for "not ours"
            raise InversionError("An image's inversion gave no finite score.")
        return result

    def promising(self, pixels: Tensor) -> NDArray[np.bool_]:
        """Which (n, *sample_shape) pixels the second witness will search for; none if silent."""
        if self._second is None:
            return np.zeros(len(pixels), bool)
        self._check_shape(pixels)
        with self._timed("remake", 0):
            return self._second.promising(pixels)

    def screen(self, pixels: Tensor) -> Screening:
        """What (n, *sample_shape) pixels alone decide; raises WrongImageSize."""
        self._check_shape(pixels)
        with self._timed("screen", len(pixels)):
            screen = self.detector.screen(pixels.to(self.device))
        parts = (screen.score, ~screen.decided, screen.recompressed)
        score, needed, recompressed = (part.cpu().numpy() for part in parts)
        screening = Screening(score, needed, recompressed)
        if self._second is None:
            return screening
        with self._timed("remake", len(pixels)):
            return self._second.screen(pixels, screening)

    def conclude(
        self, pixels: Tensor, screening: Screening, inverted: InversionResult | None
    ) -> Attribution:
        """Scores from the inversions of exactly the images that `screening` left open.

        The inversions may be another attributor's of the same `inversion_key`. Unlike `score`
        it returns a score that is not finite.
        """
        score, needed = screening.score.copy(), screening.needed
        converged, residual = np.ones(len(pixels), dtype=bool), torch.zeros(pixels.shape)
        every: NDArray[np.float64] | None = None
        if inverted is not None:
            rows = np.flatnonzero(needed)
            with self._timed("views", len(rows)):
                views = self.views(inverted.z, pixels[rows])
                score[rows] = self.detector.combine(views).cpu().numpy()
                apart = self.detector.apart(views).cpu().numpy()
            every = np.full((len(pixels), apart.shape[1]), np.nan)
            every[rows] = apart
            converged[rows] = inverted.converged.cpu().numpy()
            residual[rows] = inverted.residual.reshape(len(rows), *self.sample_shape).cpu()
        spent, self._spent = self._spent, {}
        first = Attribution(
            score=score,
            p=self.calibration.p(score, screening.recompressed),
            attributed=score <= self.calibration.threshold,
            converged=converged,
            inverted=needed & self.layer.inverts,
            recompressed=screening.recompressed,
            residual=residual,
            stages=spent,
            views=every,
        )
        if self._second is None or screening.remade is None:
            return first
        return self._second.testify(pixels, first, screening.remade)

    def show(self, testimony: Testimony) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The recorded latent's image, (height, width, channels), as made and as altered; raises
        AttributorError where the generator is not at hand, and RecordAltered."""
        return self._speaking().show(testimony)

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        """PSNR in dB of (*sample_shape) pixels and the recorded latent's image; see `show`."""
        return self._speaking().distance(pixels, testimony)

    def _speaking(self) -> SecondWitness:
        if self._second is None:
            raise AttributorError("The second witness is silent: its generator is not at hand.")
        return self._second

    @contextmanager
    def _timed(self, stage: str, images: int) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        before, seconds = self._spent.get(stage, (0, 0.0))
        self._spent[stage] = before + images, seconds + time.perf_counter() - begun

    @cached_property
    def inversion_key(self) -> str:
        """Content hash of all that an inversion depends on besides the image.

        Attributors of one key may use each other's inversions.
        """
        if self.inverter is not None:
            return f"inverter {id(self._inverter)}"
        facts = [
            self.sample_shape, vars(self.output_map), self.settings.inversion.to_dict(),
            self.settings.window, self.space.grid.to_dict(),
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps([*facts, self.device], sort_keys=True).encode())
        digest.update(self.layer.sha256().encode() + tensor_bytes(self.anchor))
        return digest.hexdigest()

    def views(self, activations: Tensor, pixels: Tensor) -> list[Tensor]:
        """`Detector.views` of activations (n, *layer.input_shape) recovered from pixels."""
        activations = activations.to(self.device)
        return self.detector.views(self.features(activations), activations, pixels.to(self.device))

    def _check_shape(self, pixels: Tensor) -> None:
        if tuple(pixels.shape[1:]) != self.sample_shape:
            raise WrongImageSize(
                f"Images of shape {list(pixels.shape[1:])} were given; this attributor expects "
                f"{list(self.sample_shape)} (channels, height, width)."
            )
