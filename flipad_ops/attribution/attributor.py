"""The attributor: recovers an image's activation and says how far it is from its own kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.common.errors import InversionError, LayerMismatch, WrongImageSize
from flipad_ops.detection import Detector, FeatureMap, conformal_p, p_floor
from flipad_ops.generators import EIGHT_BIT, FinalLayer, Grid, OutputMap
from flipad_ops.generators.layer import tensor_bytes
from flipad_ops.inversion import FinalLayerInverter, InversionResult, Inverter
from flipad_ops.inversion.crop import CropInverter, Window
from flipad_ops.inversion.joint import SkipInverter
from flipad_ops.inversion.seen import SeenInverter
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.quantisation import SIXTEEN_BIT
from flipad_ops.samples.sample_kinds import space_of
from flipad_ops.samples.space import SampleSpace

#: Said of every score of an attributor that was fitted to samples without a model.
WITHOUT = (
    "Without inversion: fitted to samples alone, so it sees the image and not its final layer."
)


@dataclass(frozen=True, eq=False)
class Attribution:
    """Scores of a batch, one entry per image.

    Parameters
    ----------
    score : (n,) float64
        Low means "ours": DeepSAD's squared distance to the centre, or with fusion the largest of
        the views' scores in units of their own thresholds.
    p : (n,) float64
        Conformal p-value of "not ours"; small means "ours".
    attributed : (n,) bool
        score <= threshold.
    converged : (n,) bool
        Whether the inversion reached its tolerance, or none was needed.
    inverted : (n,) bool
        False where the pixels alone settled the score.
    recompressed : (n,) bool
        Taken for an own image out of a lossy file: scored by pixels alone, and p is that among
        foreign images recompressed.
    residual : Tensor, (n, *sample_shape)
        What the inversion could not explain, in target units; zero without inversion.
    """

    score: NDArray[np.float64]
    p: NDArray[np.float64]
    attributed: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    inverted: NDArray[np.bool_]
    recompressed: NDArray[np.bool_]
    residual: Tensor


@dataclass(frozen=True, eq=False)
class Screening:
    """What the pixels of a batch say before any inversion.

    Parameters
    ----------
    score : (n,) float64
        A lower bound of the score, and the score itself where no inversion is needed.
    needed : (n,) bool
        Whether only an inversion can tell.
    recompressed : (n,) bool
        See `Attribution`.
    """

    score: NDArray[np.float64]
    needed: NDArray[np.bool_]
    recompressed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What decisions rest on.

    Parameters
    ----------
    threshold : float
        A score at or below it is attributed.
    own_scores : (n,) float64
        Held-out own samples, the threshold's source.
    null_scores : mapping of stratum to (n,) float64
        Foreign samples held out from training, one entry per source.
    recompressed_null_scores : mapping of stratum to (n,) float64
        Of the same out of lossy files; empty where the attributor treats these like any other.
    """

    threshold: float
    own_scores: NDArray[np.float64]
    null_scores: Mapping[str, NDArray[np.float64]]
    recompressed_null_scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def floor(self) -> float:
        """The smallest p-value these null scores allow."""
        return max(p_floor(self.null_scores), p_floor(self.recompressed_null_scores, 0.0))

    def p(
        self, scores: NDArray[np.float64], recompressed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Conformal p-values (n,), each kind of image among its own null (Mondrian)."""
        p = conformal_p(scores, self.null_scores)
        if recompressed.any():
            p[recompressed] = conformal_p(scores[recompressed], self.recompressed_null_scores)
        return p


@dataclass(eq=False)
class Attributor:
    """Final layer, anchor, features, detector and calibration: all that scoring needs.

    Made by `attribution.fitting.fit_attributor` or `attribution.serialisation.load_attributor`.

    Parameters
    ----------
    layer, output_map, anchor, sample_shape
        The generator's output side; `anchor` has shape `layer.input_shape`.
    features, detector, calibration
        The fitted parts.
    settings : FitSettings
    generator : mapping
        name, version, decoder_sha256, final_layer_sha256, equivalence_class.
    evaluation : mapping
        Held-out figures by stratum, see `flipad_ops.attribution.evaluation`.
    reference : Tensor, uint8, sample_shape, or None
        A held-out own sample, shown beside findings.
    inverter : Inverter, optional
        One that solves the same problem in another way; benchmarks remember inversions with it.
    grid : Grid
        Which values the samples that it was fitted to are stored in.
    columns : Columns or None
        Of the table whose rows are its samples.
    """

    layer: FinalLayer
    output_map: OutputMap
    anchor: Tensor
    sample_shape: tuple[int, ...]
    features: FeatureMap
    detector: Detector
    calibration: Calibration
    settings: FitSettings
    generator: Mapping[str, Any]
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    reference: Tensor | None = None
    device: str = "cpu"
    inverter: Inverter | None = field(default=None, repr=False)
    grid: Grid = EIGHT_BIT
    columns: Columns | None = None

    def __post_init__(self) -> None:
        self.detector = self.detector.to(self.device).eval()
        self._inverter = self.inverter or build_inverter(
            self.layer, self.output_map, self.anchor, self.settings, self.device
        )

    @property
    def space(self) -> SampleSpace:
        """What its samples are."""
        bits = 16 if self.grid == SIXTEEN_BIT else 8
        return self.columns or space_of({"bits": bits}, self.sample_shape)

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
        step = self.grid.step if step is None else step
        return self._inverter.invert(pixels.reshape(len(pixels), *self.layer.output_shape), step)

    def score(self, pixels: Tensor, step: float | Tensor | None = None) -> Attribution:
        """Invert and score (n, *sample_shape) pixels; see `invert` for errors."""
        screening = self.screen(pixels)
        rows = np.flatnonzero(screening.needed)
        inverted = self.invert(pixels[rows], step) if len(rows) else None
        result = self.conclude(pixels, screening, inverted)
        if not np.isfinite(result.score).all():  # NaN would pass for "not ours"
            raise InversionError("An image's inversion gave no finite score.")
        return result

    def screen(self, pixels: Tensor) -> Screening:
        """What (n, *sample_shape) pixels alone decide; raises WrongImageSize."""
        self._check_shape(pixels)
        screen = self.detector.screen(pixels.to(self.device))
        parts = (screen.score, ~screen.decided, screen.recompressed)
        return Screening(*(part.cpu().numpy() for part in parts))

    def conclude(
        self, pixels: Tensor, screening: Screening, inverted: InversionResult | None
    ) -> Attribution:
        """Scores from the inversions of exactly the images that `screening` left open.

        The inversions may be another attributor's of the same `inversion_key`. Unlike `score`
        it returns a score that is not finite.
        """
        score, needed = screening.score.copy(), screening.needed
        converged, residual = np.ones(len(pixels), dtype=bool), torch.zeros(pixels.shape)
        if inverted is not None:
            rows = np.flatnonzero(needed)
            score[rows] = self.score_activations(inverted.z, pixels[rows])
            converged[rows] = inverted.converged.cpu().numpy()
            residual[rows] = inverted.residual.reshape(len(rows), *self.sample_shape).cpu()
        return Attribution(
            score=score,
            p=self.calibration.p(score, screening.recompressed),
            attributed=score <= self.calibration.threshold,
            converged=converged,
            inverted=needed & self.layer.inverts,
            recompressed=screening.recompressed,
            residual=residual,
        )

    @cached_property
    def inversion_key(self) -> str:
        """Content hash of all that an inversion depends on besides the image.

        Attributors of one key may use each other's inversions.
        """
        if self.inverter is not None:
            return f"inverter {id(self._inverter)}"
        facts = [
            self.sample_shape, vars(self.output_map), self.settings.inversion.to_dict(),
            self.settings.window, self.grid.to_dict(),
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps([*facts, self.device], sort_keys=True).encode())
        digest.update(self.layer.sha256().encode() + tensor_bytes(self.anchor))
        return digest.hexdigest()

    def score_activations(self, activations: Tensor, pixels: Tensor) -> NDArray[np.float64]:
        """Anomaly scores (n,) of activations (n, *layer.input_shape) recovered from pixels."""
        activations = activations.to(self.device)
        features = self.features(activations)
        return self.detector.score(features, activations, pixels.to(self.device)).cpu().numpy()

    def _check_shape(self, pixels: Tensor) -> None:
        if tuple(pixels.shape[1:]) != self.sample_shape:
            raise WrongImageSize(
                f"Images of shape {list(pixels.shape[1:])} were given; this attributor expects "
                f"{list(self.sample_shape)} (channels, height, width)."
            )

    def check_layer(self, layer: FinalLayer) -> None:
        """Refuse a generator whose final layer is not the one fitted.

        Raises
        ------
        LayerMismatch
        """
        fitted, found = self.layer.sha256(), layer.sha256()
        if fitted != found:
            raise LayerMismatch(
                f"The attributor was fitted for final layer {fitted[:12]} but the generator has "
                f"{found[:12]}: fit it again."
            )


def build_inverter(
    layer: FinalLayer, output_map: OutputMap, anchor: Tensor, settings: FitSettings, device: str
) -> Inverter:
    """The inverter that a fit and its attributor share; the layer and the settings choose it."""
    parts, size = (layer, output_map, anchor, settings.inversion), layer.input_shape[1:]
    if not layer.inverts:
        return SeenInverter(*parts, device)
    if layer.skip is not None:
        return SkipInverter(*parts, device=device)
    if settings.window and len(size) == 2 and settings.window < max(size):
        window = Window.centre((size[0], size[1]), settings.window)
        return CropInverter(*parts, window, device=device)
    return FinalLayerInverter(*parts, device=device)
