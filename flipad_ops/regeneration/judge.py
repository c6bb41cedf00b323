"""Whether a remade image is near enough, given what there was to remake.

A flat image is near to everything, a noisy or finely compressed one to nothing. So a remade image
is judged by several measures of what is left over, among measures of what the found image shows:
the residual's energy, its smooth part and its correlation between neighbours, which noise and
compression hardly have; the image's energy at three scales and its finest; and the noise of the
lossy file that it shows. A logistic regression weighs them, fitted to own images and to others
searched in the same way; what is accepted follows from own images alone.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.regeneration.observation import Observation, file_noise

MEASURES = 10
#: Squared pixels added before logarithms: of energies, and of a correlation, whose noise is larger.
FLOOR, FLAT = 1e-9, 1e-6
#: Inverse strength of the regression's penalty.
STRENGTH = 1.0
#: Parts of the own images that the regression is judged on without having seen them.
FOLDS = 4
#: Logits that a doubtful image may lie below an accepted one at most.
LEEWAY = 1.5
#: dB that a remade image may lie beyond all own ones, over its own blurred copy, whatever the
#: regression says where it was never fitted.
GUARD = 1.0


def decibels(squared: Tensor, floor: float = FLOOR) -> Tensor:
    """Squared pixels in dB, float64."""
    return 10 * torch.log10(squared.double() + floor)


def soften(pixels: Tensor) -> Tensor:
    """Mean over 3x3 pixels, edges replicated."""
    return F.avg_pool2d(F.pad(pixels, (1,) * 4, mode="replicate"), 3, stride=1)


def blurred(pixels: Tensor, observed: Observation) -> Tensor:
    """What an image's own blurred copy costs, in dB, (n,) float64."""
    return decibels(observed.distance(soften(pixels)))


def measures(pixels: Tensor, remade: Tensor, observed: Observation, files: bool = True) -> Tensor:
    """(n, MEASURES) float64, in dB; the first is the distance, the fifth `blurred`.

    Parameters
    ----------
    pixels, remade : Tensor, float32, (n, channels, height, width)
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
            blurred(pixels, observed),
            decibels(_energy(soft - softer)),
            decibels(_energy(corners)),
            decibels(pixels.flatten(1).var(dim=1)),
            decibels(_energy(softer - soften(soften(softer)))),
            decibels(file_noise(pixels, files)),
        ],
        dim=1,
    )


class Judge(nn.Module):
    """Of one way of searching.

    Attributes
    ----------
    weights : Tensor, float64, (1 + MEASURES,)
        Of the logistic regression: its intercept and the measures'.
    low, high, centre, spread : Tensor, float64, (MEASURES,)
        Measures are kept within those of the images fitted to, and standardised.
    accept, doubtful : Tensor, float64, ()
        Least logit that is accepted, and that of the doubtful, whom another witness may support.
    limit : Tensor, float64, ()
        dB over the own blurred copy that are too far whatever the regression says.
    """

    weights: Tensor
    low: Tensor
    high: Tensor
    centre: Tensor
    spread: Tensor
    accept: Tensor
    doubtful: Tensor
    limit: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(1 + MEASURES, dtype=torch.float64))
        for name in ("low", "high", "centre", "spread"):
            self.register_buffer(name, torch.ones(MEASURES, dtype=torch.float64))
        self.register_buffer("accept", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("doubtful", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("limit", torch.tensor(torch.inf, dtype=torch.float64))

    def forward(self, measured: Tensor) -> Tensor:
        """How far from acceptance, (n,) float64; at most 0 is accepted."""
        above = self.accept - self._terms(measured) @ self.weights
        beyond = measured[:, 0] - measured[:, 4] - self.limit
        return torch.where(beyond > 0, torch.maximum(above, beyond), above)

    def fit(self, own: Tensor, foreign: Tensor, fnr: float, doubtful: float) -> Tensor:
        """Fit to measures (n, MEASURES) of own and of other images.

        Parameters
        ----------
        fnr : float
            Share of own images that may be refused.
        doubtful : float
            Smaller share, of those not even doubtful.

        Returns
        -------
        Tensor, float64, (n,)
            What `forward` says of each own image when it was not fitted to it.
        """
        both = torch.cat([own, foreign])
        self.low.copy_(both.amin(dim=0)), self.high.copy_(both.amax(dim=0))
        self.centre.copy_(both.mean(dim=0)), self.spread.copy_(both.std(dim=0).clamp_min(1e-3))
        ours, others = (self._terms(part).cpu().numpy() for part in (own, foreign))
        fold, logits = np.arange(len(ours)) % FOLDS, np.zeros(len(ours))
        for number in range(FOLDS):
            out = fold == number
            logits[out] = ours[out] @ _regress(ours[~out], others)
        self.weights.copy_(torch.from_numpy(_regress(ours, others)))
        self.accept.fill_(float(np.quantile(logits, fnr, method="lower")))
        least = float(np.quantile(logits, doubtful, method="lower"))
        self.doubtful.fill_(max(least, float(self.accept) - LEEWAY))
        relative = own[:, 0] - own[:, 4]
        kept = torch.from_numpy(logits >= float(self.doubtful)).to(relative.device)
        self.limit.fill_(float(relative[kept].max()) + GUARD)
        return self.accept.cpu() - torch.from_numpy(logits)

    def _terms(self, measured: Tensor) -> Tensor:
        within = torch.minimum(torch.maximum(measured, self.low), self.high)
        x = (within - self.centre) / self.spread
        return torch.cat([torch.ones_like(x[:, :1]), x], dim=1)


def _regress(own: NDArray[np.float64], foreign: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.concatenate([own, foreign])[:, 1:]
    y = np.concatenate([np.ones(len(own)), np.zeros(len(foreign))])
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return np.concatenate([model.intercept_, model.coef_[0]])


def _energy(x: Tensor) -> Tensor:
    return x.square().flatten(1).mean(dim=1)


def _neighbours(x: Tensor) -> Tensor:
    """Mean product of neighbouring pixels, (n,)."""
    right = (x[..., 1:] * x[..., :-1]).flatten(1).mean(dim=1)
    return (right + (x[..., 1:, :] * x[..., :-1, :]).flatten(1).mean(dim=1)) / 2
