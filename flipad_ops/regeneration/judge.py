"""Whether a remade image is near enough, given what there was to remake.

A flat image is near to everything, a noisy or finely compressed one to nothing. So a remade image
is judged by several measures of what is left over, among measures of what the found image shows:
the residual's energy, its smooth part and its correlation between neighbours, which noise and
compression hardly have; how steeply the search still came nearer when it ended, which it does
towards own images and hardly towards others; the image's energy at three scales and its finest; and
the noise of the lossy file that it shows. A support vector machine weighs them (Gaussian kernel),
fitted to own images and to others searched in the same way; what is accepted follows from own
images, and is tightened where more than a few of the others would pass. And whatever foreign images
a fit saw, the distance may be no larger than own images of such detail have it: a relative that
nobody told the fit of comes nearer than anything else, but not that near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.regeneration.observation import ROUNDING, Observation, PixelBox, file_noise

MEASURES = 11
#: Of these, the last are of the image alone.
SHOWN = 6
#: dB that the last steps of a search bring at most; more, or no steps at all, count as so many.
STEEPEST = 10.0
#: dB by which a term varies at least, for its scale: what varies less tells nothing.
LEAST_SPREAD = 0.1
#: Squared pixels added before logarithms: of energies, and of a correlation, whose noise is larger.
FLOOR, FLAT = 1e-9, 1e-6
#: Images looked at together.
TOGETHER = 256
#: Of the support vector machine: width of its kernel over standardised measures, and its penalty.
GAMMA, PENALTY = 0.05, 10.0
#: Parts of the images that the machine is judged on without having seen them.
FOLDS = 4
#: How far, in units of the machine's margin, a doubtful image may lie below an accepted one.
LEEWAY = 0.5
#: Penalty of the regression of an own image's distance on what the image shows.
RIDGE = 1.0


def decibels(squared: Tensor, floor: float = FLOOR) -> Tensor:
    """Squared pixels in dB, float64."""
    return 10 * torch.log10(squared.double() + floor)


def soften(pixels: Tensor) -> Tensor:
    """Mean over 3x3 pixels, edges replicated."""
    return F.avg_pool2d(F.pad(pixels, (1,) * 4, mode="replicate"), 3, stride=1)


def flat(pixels: Tensor, observed: Observation) -> Tensor:
    """Images, (n,) bool, whose blurred copy is nearer than rounding is to what it rounds: whoever
    makes such an image makes it alike."""
    return blurred(pixels, observed) < 10 * math.log10(ROUNDING)


def which_flat(pixels: Tensor, step: float) -> Tensor:
    """`flat` of images stored in steps of `step`, (n,) bool, a few at a time."""
    parts = torch.split(pixels, TOGETHER)
    return torch.cat([flat(part, PixelBox(part, step)) for part in parts])


def blurred(pixels: Tensor, observed: Observation) -> Tensor:
    """What an image's own blurred copy costs, in dB, (n,) float64."""
    return decibels(observed.distance(soften(pixels)))


def measures(
    pixels: Tensor, remade: Tensor, observed: Observation, descent: Tensor, files: bool = True
) -> Tensor:
    """(n, MEASURES) float64, in dB; the first is the distance, the sixth `blurred`.

    Parameters
    ----------
    pixels, remade : Tensor, float32, (n, channels, height, width)
    descent : Tensor, float32, (n,)
        See `Guess`.
    files : bool
        Whether to look for traces of a lossy file, which takes milliseconds.
    """
    rest = pixels - remade
    soft = soften(pixels)
    softer = soften(soft)
    smooth = soften(rest)
    corners = pixels[..., 1:, 1:] - pixels[..., 1:, :-1] - pixels[..., :-1, 1:]
    corners = (corners + pixels[..., :-1, :-1]) / 2
    return torch.stack(
        [
            decibels(observed.distance(remade)),
            decibels(_energy(smooth)),
            decibels(_neighbours(rest).clamp_min(0), FLAT),
            decibels(_energy(soften(smooth))),
            descent.double().clamp(0, STEEPEST),
            blurred(pixels, observed),
            decibels(_energy(soft - softer)),
            decibels(_energy(corners)),
            decibels(pixels.flatten(1).var(dim=1)),
            decibels(_energy(softer - soften(soften(softer)))),
            decibels(file_noise(pixels, files)),
        ],
        dim=1,
    )


@dataclass(frozen=True)
class Level:
    """Where a judge draws its lines.

    Parameters
    ----------
    fnr : float
        Share of own images that may be refused.
    doubtful : float
        Smaller share, of those not even doubtful.
    beyond : float
        Share of own images that may be farther than own images of such detail are.
    guard : float
        dB that may be added to that distance.
    fpr : float
        Share of the others that may pass; 1 for no matter how many.
    """

    fnr: float
    doubtful: float
    beyond: float
    guard: float
    fpr: float = 1.0


class Judge(nn.Module):
    """Of one way of searching. Refuses everything until it is fitted.

    Parameters
    ----------
    supports : int
        Number of support vectors.

    Attributes
    ----------
    supports, dual : Tensor, float64, (supports, MEASURES) and (supports,)
        Support vectors and their coefficients.
    bias : Tensor, float64, ()
    low, high, centre, spread : Tensor, float64, (MEASURES,)
        Terms are kept within those of the images fitted to, and standardised.
    accept, doubtful : Tensor, float64, ()
        Least decision value that is accepted, and that of the doubtful, whom another witness may
        support.
    detail : Tensor, float64, (1 + SHOWN,)
        Predicts an own image's distance in dB from what the image shows.
    limit : Tensor, float64, ()
        dB beyond the prediction that are too far whatever the machine says.
    """

    supports: Tensor
    dual: Tensor
    bias: Tensor
    low: Tensor
    high: Tensor
    centre: Tensor
    spread: Tensor
    accept: Tensor
    doubtful: Tensor
    detail: Tensor
    limit: Tensor

    def __init__(self, supports: int = 0) -> None:
        super().__init__()
        zeros = {"supports": (supports, MEASURES), "dual": (supports,), "detail": (1 + SHOWN,)}
        for name, shape in zeros.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        for name in ("low", "high", "centre", "spread"):
            self.register_buffer(name, torch.ones(MEASURES, dtype=torch.float64))
        values = {"bias": -1.0, "accept": 0.0, "doubtful": 0.0, "limit": torch.inf}
        for name, value in values.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, measured: Tensor) -> Tensor:
        """How far from acceptance, (n,) float64; at most 0 is accepted."""
        near = torch.exp(-GAMMA * torch.cdist(self._terms(measured), self.supports).square())
        above = self.accept - (near @ self.dual + self.bias)
        beyond = self.beyond(measured) - self.limit
        return torch.where(beyond > 0, torch.maximum(above, beyond), above)

    def beyond(self, measured: Tensor) -> Tensor:
        """dB by which remade images are farther than own ones of such detail, (n,) float64."""
        return measured[:, 0] - self.detail[0] - shown(measured) @ self.detail[1:]

    def fit(self, own: Tensor, foreign: Tensor, level: Level) -> Tensor:
        """Fit to measures (n, MEASURES) of own and of other images.

        Returns
        -------
        Tensor, float64, (n,)
            What `forward` says of each own image when it was not fitted to it.
        """
        both = terms(torch.cat([own, foreign]))
        self.low.copy_(both.amin(dim=0)), self.high.copy_(both.amax(dim=0))
        self.centre.copy_(both.mean(dim=0))
        self.spread.copy_(both.std(dim=0).clamp_min(LEAST_SPREAD))
        x = self._terms(torch.cat([own, foreign])).cpu().numpy()
        y = np.arange(len(x)) < len(own)
        # Folds of own and of others alike; what was not seen decides.
        fold = np.concatenate([np.arange(len(part)) % FOLDS for part in (own, foreign)])
        said = np.zeros(len(x))
        for out in (fold == number for number in range(FOLDS)):
            said[out] = _machine(x[~out], y[~out]).decision_function(x[out])
        machine = _machine(x, y)
        for name, value in (("supports", machine.support_vectors_), ("dual", machine.dual_coef_[0]),
                            ("bias", machine.intercept_[0])):  # fmt: skip
            setattr(self, name, torch.as_tensor(value, dtype=torch.float64, device=own.device))
        ours, others = said[: len(own)], said[len(own) :]
        bound = np.quantile(others, 1 - level.fpr, method="higher") if level.fpr < 1 else -np.inf
        self.accept.fill_(max(float(np.quantile(ours, level.fnr, method="lower")), float(bound)))
        least = float(np.quantile(ours, level.doubtful, method="lower"))
        least = min(max(least, float(self.accept) - LEEWAY, float(bound)), float(self.accept))
        self.doubtful.fill_(least)
        rest = self._fit_detail(own, fold[: len(own)])
        kept = rest[ours >= least] if (ours >= least).any() else rest
        far = np.quantile(kept, 1 - level.beyond, method="higher")
        self.limit.fill_(float(far) + level.guard)
        above, beyond = float(self.accept) - ours, rest - float(self.limit)
        return torch.from_numpy(np.where(beyond > 0, np.maximum(above, beyond), above))

    def _fit_detail(self, own: Tensor, fold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances beyond what was predicted without them, (n,)."""
        from sklearn.linear_model import Ridge

        x, y, rest = shown(own).cpu().numpy(), own[:, 0].cpu().numpy(), np.zeros(len(own))
        for out in (fold == number for number in range(FOLDS)):
            rest[out] = y[out] - Ridge(RIDGE).fit(x[~out], y[~out]).predict(x[out])
        model = Ridge(RIDGE).fit(x, y)
        self.detail.copy_(torch.from_numpy(np.concatenate([[model.intercept_], model.coef_])))
        return rest

    def _terms(self, measured: Tensor) -> Tensor:
        within = torch.minimum(torch.maximum(terms(measured), self.low), self.high)
        return (within - self.centre) / self.spread


def terms(measured: Tensor) -> Tensor:
    """(n, MEASURES): what is left over, and what the image shows, over its own blurred copy."""
    rest, descent, soft, band, corners, energy, band2, noise = (
        measured[:, :4], *(measured[:, number : number + 1] for number in range(4, MEASURES))
    )  # fmt: skip
    return torch.cat(
        [rest - soft, descent, soft - band, corners - soft, energy - soft, soft, band - band2,
         noise], dim=1,
    )  # fmt: skip


def shown(measured: Tensor) -> Tensor:
    """What the image shows, without what is left over, (n, SHOWN) in units of 10 dB."""
    return measured[:, MEASURES - SHOWN :] / 10


def _machine(x: NDArray[np.float64], own: NDArray[np.bool_]) -> Any:
    from sklearn.svm import SVC

    return SVC(C=PENALTY, gamma=GAMMA, class_weight="balanced").fit(x, own)


def _energy(x: Tensor) -> Tensor:
    return x.square().flatten(1).mean(dim=1)


def _neighbours(x: Tensor) -> Tensor:
    """Mean product of neighbouring pixels, (n,)."""
    right = (x[..., 1:] * x[..., :-1]).flatten(1).mean(dim=1)
    return (right + (x[..., 1:, :] * x[..., :-1, :]).flatten(1).mean(dim=1)) / 2
