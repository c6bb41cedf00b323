"""Rows that need no activation: DeepSAD on pixels or their DCT, fingerprints, full inversion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.augmentation import blur
from flipad_ops.detection import (
    DeepSadSettings,
    Recovered,
    fit_features,
    threshold_at_fnr,
    train_deepsad,
)
from flipad_ops.generators import SplitGenerator

Scorer = Callable[[Tensor], NDArray[np.float64]]
FNR = 0.005


@dataclass(frozen=True, eq=False)
class Fitted:
    """How a row scores images, and the threshold it would act on."""

    score: Scorer
    threshold: float
    attributor: Attributor | None = None


def pixels(images: Tensor) -> Tensor:
    """RawPAD's input."""
    return images * 2 - 1


def log_dct(images: Tensor) -> Tensor:
    """DCTPAD's input: log of the absolute DCT of each channel."""
    spectrum = dctn(images.numpy(), axes=(2, 3), norm="ortho")
    return torch.from_numpy(np.log(np.abs(spectrum) + 1e-6)).float()


def deepsad_row(
    view: Callable[[Tensor], Tensor], own: Tensor, calibration: Tensor, foreign: Tensor,
    settings: DeepSadSettings, seed: int,
) -> Fitted:  # fmt: skip
    """RawPAD and DCTPAD: the product's detector on another input."""
    ours, theirs = (Recovered.held(view(images), images) for images in (own, foreign))
    features = fit_features(ours, theirs, own.shape[1])
    model, _ = train_deepsad(features.of(ours), features.of(theirs), settings, seed=seed)

    def score(images: Tensor) -> NDArray[np.float64]:
        return model.distance(features(view(images))).double().numpy()

    return Fitted(score, threshold_at_fnr(score(calibration), FNR))


def fingerprint_row(own: Tensor, calibration: Tensor) -> Fitted:
    """SM-F: correlation with the mean noise residual of own samples (Marra et al., 2019)."""

    def residual(images: Tensor) -> Tensor:
        return images - blur(images, 3)

    def normalised(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)

    mark = normalised(residual(own).mean(dim=0, keepdim=True))[0]

    def score(images: Tensor) -> NDArray[np.float64]:
        return (1 - normalised(residual(images)) @ mark).double().numpy()

    return Fitted(score, threshold_at_fnr(score(calibration), FNR))


def full_inversion(
    generator: SplitGenerator, images: Tensor, steps: int, restarts: int, seed: int
) -> NDArray[np.float64]:
    """SM-Inv: the least mean squared error over restarts of Adam on the latent (batched)."""
    best = torch.full((len(images),), torch.inf)
    module = generator.forward
    for restart in range(restarts):
        latents = generator.latent.sample(len(images), seed + restart).requires_grad_()
        optimiser = torch.optim.Adam([latents], lr=0.1)
        for _ in range(steps):
            made = generator.output_map.to_pixels(module(latents))
            error = (made - images).square().flatten(1).mean(dim=1)
            best = torch.minimum(best, error.detach())
            optimiser.zero_grad(set_to_none=True)
            error.sum().backward()
            optimiser.step()
    return best.double().numpy()


def inversion_row(generator: SplitGenerator, calibration: Tensor, steps: int) -> Fitted:
    """SM-Inv as a row; its threshold rests on few own samples, as its cost allows."""

    def score(images: Tensor) -> NDArray[np.float64]:
        return full_inversion(generator, images, steps, 1, 0)

    return Fitted(score, threshold_at_fnr(score(calibration), FNR))
