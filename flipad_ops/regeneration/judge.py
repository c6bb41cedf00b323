"""Whether a remade image is near enough, given what there was to remake.

A support vector machine weighs the measures of what is left over and of what the image shows
(Gaussian kernel), fitted to own images and to others searched in the same way; what is accepted
follows from own images, and is tightened where more than a few of the others would pass. And
whatever foreign images a fit saw, the distance may be no larger than own images of such detail have
it: a relative that nobody told the fit of comes nearer than anything else, but not that near. Where
latents are few, an image made again to far below rounding needs no weighing; and where not even
what it shows coarsely is there, none helps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flipad_ops.regeneration.measures import COARSE, MEASURES, SHOWN, VARIANCE, decibels

#: dB by which a term varies at least, for its scale: what varies less tells nothing.
LEAST_SPREAD = 0.1
#: Of the support vector machine: width of its kernel over standardised measures, and its penalty.
GAMMA, PENALTY = 0.05, 10.0
#: A judge of fewer own or other images is left as it was and refuses everything.
LEAST = 12
#: Parts of the images that the machine is judged on without having seen them.
FOLDS = 4
#: How far, in units of the machine's margin, a doubtful image may lie below an accepted one.
LEEWAY = 0.5
#: dB below `Level.made` that count like a unit of the machine's margin.
PER_UNIT = 10.0
#: Penalty of the regression of an own image's distance on what the image shows.
RIDGE = 1.0


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
    slack : float
        How far, in units of the machine's margin, the line lies beyond the own images that draw it,
        as long as no more of the others pass.
    nothing : float
        Squared pixels of distance that count as nothing: below them a search is exact, and how far
        below says nothing.
    made : float
        Squared pixels of distance at which an image counts as made, whatever the machine says,
        unless one of the others comes so near; 0 for never.
    coarse : float
        dB over the image's variance that what is left over may have after softening. An image of
        which more is left has not been made again, and own images that have not tell nothing of
        those that have.
    """

    fnr: float
    doubtful: float
    beyond: float
    guard: float
    fpr: float = 1.0
    slack: float = 0.0
    nothing: float = 0.0
    made: float = 0.0
    coarse: float = math.inf


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
    nothing, made, coarse : Tensor, float64, ()
        See `Level`; `made` in dB.
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
    nothing: Tensor
    made: Tensor
    coarse: Tensor

    def __init__(self, supports: int = 0) -> None:
        super().__init__()
        zeros = {"supports": (supports, MEASURES), "dual": (supports,), "detail": (1 + SHOWN,)}
        for name, shape in zeros.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        for name in ("low", "high", "centre", "spread"):
            self.register_buffer(name, torch.ones(MEASURES, dtype=torch.float64))
        values = {"bias": -1.0, "accept": 0.0, "doubtful": 0.0, "limit": torch.inf, "nothing": 0.0,
                  "made": -torch.inf, "coarse": torch.inf}  # fmt: skip
        for name, value in values.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, measured: Tensor) -> Tensor:
        """How far from acceptance, (n,) float64; at most 0 is accepted."""
        near = torch.exp(-GAMMA * torch.cdist(self._terms(measured), self.supports).square())
        above = self.accept - (near @ self.dual + self.bias)
        beyond = torch.maximum(self.beyond(measured) - self.limit, self._unmade(measured))
        return _excess(above, beyond, measured[:, 0] - self.made)

    def beyond(self, measured: Tensor) -> Tensor:
        """dB by which remade images are farther than own ones of such detail, (n,) float64."""
        return self._far(measured) - self.detail[0] - shown(measured) @ self.detail[1:]

    def near(self, measured: Tensor) -> Tensor:
        """Which remade images, (n,) bool, show coarsely what the found ones do."""
        return self._unmade(measured) <= 0

    def _unmade(self, measured: Tensor) -> Tensor:
        return measured[:, COARSE] - measured[:, VARIANCE] - self.coarse

    def exact(self, measured: Tensor) -> Tensor:
        """Which searches, (n,) bool, came to where farther means nothing."""
        return measured[:, 0] <= decibels(2 * self.nothing, 0.0)

    def fit(self, own: Tensor, foreign: Tensor, level: Level) -> Tensor:
        """Fit to measures (n, MEASURES) of own and of other images.

        Returns
        -------
        Tensor, float64, (n,)
            What `forward` says of each own image when it was not fitted to it.
        """
        self.nothing.fill_(level.nothing), self.coarse.fill_(level.coarse)
        every, own = own, own[self.near(own)]
        if len(own) < LEAST:
            return torch.full_like(every[:, 0], torch.inf).cpu()
        both = self._raw_terms(torch.cat([own, foreign]))
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
        drawn = float(np.quantile(ours, level.fnr, method="lower"))
        self.accept.fill_(max(drawn - level.slack, float(bound)))
        drawn = max(drawn, float(bound))
        least = float(np.quantile(ours, level.doubtful, method="lower"))
        least = min(max(least, drawn - LEEWAY, float(bound)), drawn)
        self.doubtful.fill_(min(least, float(self.accept)))
        rest = self._fit_detail(own, fold[: len(own)])
        kept = rest[ours >= least] if (ours >= least).any() else rest
        far = np.quantile(kept, 1 - level.beyond, method="higher")
        self.limit.fill_(float(far) + level.guard)
        made = float(decibels(torch.tensor(level.made), 0.0))
        self.made.fill_(made if float(foreign[:, 0].min()) > made else -np.inf)
        above, beyond = float(self.accept) - ours, rest - float(self.limit)
        farther = own[:, 0].cpu() - float(self.made)
        each = self._unmade(every).cpu()
        each[self.near(every).cpu()] = _excess(
            torch.from_numpy(above), torch.from_numpy(beyond), farther
        )
        return each

    def _fit_detail(self, own: Tensor, fold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances beyond what was predicted without them, (n,)."""
        from sklearn.linear_model import Ridge

        x, y, rest = shown(own).cpu().numpy(), self._far(own).cpu().numpy(), np.zeros(len(own))
        for out in (fold == number for number in range(FOLDS)):
            rest[out] = y[out] - Ridge(RIDGE).fit(x[~out], y[~out]).predict(x[out])
        model = Ridge(RIDGE).fit(x, y)
        self.detail.copy_(torch.from_numpy(np.concatenate([[model.intercept_], model.coef_])))
        return rest

    def _far(self, measured: Tensor) -> Tensor:
        far = measured[:, 0]
        return far + 10 * torch.log10(1 + self.nothing * 10 ** (-far / 10))

    def _raw_terms(self, measured: Tensor) -> Tensor:
        return terms(torch.cat([self._far(measured)[:, None], measured[:, 1:]], dim=1))

    def _terms(self, measured: Tensor) -> Tensor:
        within = torch.minimum(torch.maximum(self._raw_terms(measured), self.low), self.high)
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


def _excess(above: Tensor, beyond: Tensor, farther: Tensor) -> Tensor:
    """How far from acceptance, (n,), by the machine's margin, dB beyond the limit, and dB farther
    than what counts as made."""
    excess = torch.where(beyond > 0, torch.maximum(above, beyond), above)
    within = farther / PER_UNIT
    return torch.where(within <= 0, torch.minimum(excess, within), excess)


def _machine(x: NDArray[np.float64], own: NDArray[np.bool_]) -> Any:
    from sklearn.svm import SVC

    return SVC(C=PENALTY, gamma=GAMMA, class_weight="balanced").fit(x, own)
