"""From recovered activations to a detector: which views there are and what each is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.detection.alteration_gate import fit_gate
from flipad_ops.detection.deepsad import DeepSadSettings, train_deepsad
from flipad_ops.detection.features import FeatureMap, fit_features
from flipad_ops.detection.fusion import Branch, Detector
from flipad_ops.detection.pixel import PixelView
from flipad_ops.detection.row_view import fit_rows
from flipad_ops.detection.spectral import fit_spectral, has_spectrum
from flipad_ops.detection.statistics import StatisticsHead, fit_statistics


@dataclass(frozen=True, eq=False)
class Views:
    """Images and the activations recovered from them, float32, entry by entry.

    Parameters
    ----------
    pixels : Tensor, (n, *sample_shape) in [0, 1]
    activations : Tensor, (n, *activation_shape)
    """

    pixels: Tensor
    activations: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    def __add__(self, other: Views) -> Views:
        return Views(
            torch.cat([self.pixels, other.pixels]),
            torch.cat([self.activations, other.activations]),
        )


def fit_detector(
    own: Views,
    foreign: Views,
    own_altered: Views,
    foreign_altered: Views,
    *,
    pixel: PixelView | None,
    own_lossy: Tensor,
    own_rows: Tensor,
    shown: Tensor,
    sources: Tensor,
    unrelated: Tensor,
    channels: int,
    fusion: bool,
    second_moments: bool,
    settings: DeepSadSettings,
    seed: int,
    device: str = "cpu",
    report: Callable[[int, int, float], None] | None = None,
) -> tuple[FeatureMap, Detector, list[float]]:
    """Fit features and detector to training images.

    Parameters
    ----------
    own, foreign : Views
    own_altered, foreign_altered : Views
        Perturbed copies; where there are none, the detector has no branch for altered images.
    unrelated : Tensor, bool, (len(foreign),)
        Which foreign images come from no relative of the generator. Perturbed, a relative's
        cannot be told from own ones, so the branch for altered images does without them.
    pixel : PixelView or None
        Decides on lossy files, and has a say in the branch for altered images.
    own_lossy : Tensor, (n, *sample_shape) in [0, 1]
        Own images out of lossy files; their spectrum has a say in theirs.
    own_rows : Tensor, (n, *sample_shape) in [0, 1]
        Further own samples for the view of a table's rows, in place of the linear head, which
        is the poorest view of few columns; empty for images.
    shown : Tensor, (n, *sample_shape) in [0, 1]
        Own images to which the first branch's view of the spectrum is fitted.
    sources : Tensor, int64, (len(foreign),)
        Which foreign images come from one source.
    channels : int
        Channels that DeepSAD and second moments are given.
    fusion : bool
        False for DeepSAD alone, as published.
    second_moments : bool
        Whether the linear head has them and is whitened.

    Returns
    -------
    features : FeatureMap
    detector : Detector
        Not calibrated.
    losses : list of float
        DeepSAD's mean loss of each epoch.
    """
    features = fit_features(own.activations, foreign.activations, channels)
    deepsad, losses = train_deepsad(
        features(own.activations),
        features(foreign.activations),
        settings,
        seed=seed,
        device=device,
        report=report,
    )
    if not fusion:
        return features, Detector([Branch(deepsad)]), losses

    def head(ours: Views, theirs: Views, groups: Tensor | None) -> StatisticsHead:
        return fit_statistics(
            ours.activations,
            theirs.activations,
            ours.pixels,
            theirs.pixels,
            channels=features.channels if second_moments else None,
            groups=groups,
            device=device,
        )

    if len(own_rows):
        row = fit_rows(own_rows, foreign.pixels, settings, seed=seed, device=device)
        return features, Detector([Branch(deepsad, row=row)]), losses
    spectrum = has_spectrum(tuple(own.pixels.shape[1:]))
    plain = Branch(
        deepsad,
        head(own, foreign, sources),
        fit_spectral(shown, device) if spectrum else None,
    )
    lossy = None
    if pixel is not None:  # and then there is a spectrum
        lossy = Branch(pixel=pixel, spectral=fit_spectral(own_lossy, device))
    if not len(own_altered):
        return features, Detector([plain], lossy), losses
    others = Views(foreign.pixels[unrelated], foreign.activations[unrelated])
    lenient = head(own + own_altered, others + foreign_altered, None)
    every_altered = own_altered + foreign_altered
    unaltered = own + foreign
    gate = fit_gate(
        lenient,
        (every_altered.activations, every_altered.pixels),
        (unaltered.activations, unaltered.pixels),
        seed,
    )
    spectral = fit_spectral(own_altered.pixels, device) if spectrum else None
    altered = Branch(None, lenient, spectral, gate, pixel)
    return features, Detector([plain, altered], lossy), losses
