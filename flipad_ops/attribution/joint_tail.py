"""How improbable it is that a foreign image comes as near as this one by both witnesses: a model.

Of an image as it was made each witness says how far it is: the first the logarithm of its score in
units of the threshold, the second by how many dB the remade image is farther than own images of
such detail are. Weighted as Fisher's discriminant weighs them, both are one number, nearness, whose
tail among foreign images is continued; see `detection.tail`. That they err alike is not assumed
away: it is the tail of their sum.

Foreign images that a scan drops at the encoder's guess never come near. The nearest others are
followed to the end, and count as so many of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.detection.tail import LEAST, Tail
from flipad_ops.regeneration.remade_batch import FAR

Scores = NDArray[np.float64]
#: Of all strata too small for a tail of their own, with all others.
JOINED = "all sources"


@dataclass(frozen=True, eq=False)
class Followed:
    """The nearest of a foreign source's calibration images.

    Parameters
    ----------
    far : (n, 2) float64
        What both witnesses say, see `both`.
    origins : (n,) int64
    weights : (n,) float64
        What each image is of its origin.
    count : int
        Origins of all that were looked at.
    """

    far: Scores
    origins: NDArray[np.int64]
    weights: Scores
    count: int


@dataclass(frozen=True, eq=False)
class JointTail:
    """Fitted to what was followed.

    Parameters
    ----------
    weights : (2,) float64
    tails : mapping of stratum to Tail
    own : (n,) float64
        Nearness of own calibration images as made, ascending.
    """

    weights: Scores
    tails: Mapping[str, Tail]
    own: Scores

    @classmethod
    def of(cls, own: Scores, foreign: Mapping[str, Followed], seed: int) -> JointTail | None:
        """Of (n, 2) own images and of foreign ones; None where these are too few."""
        every = [part for part in foreign.values() if len(part.far)]
        if len(own) < 2 or sum(len(part.far) for part in every) < 2 * LEAST:
            return None
        weights = _discriminant(own, [part.far for part in every])
        tails, small = dict[str, Tail](), False
        for name, part in foreign.items():
            tail = Tail.of(part.far @ -weights, part.origins, part.weights, part.count, seed)
            small |= tail is None
            if tail is not None:
                tails[name] = tail
        if small:
            far, origins, weight = (
                np.concatenate([getattr(part, name) for part in every])
                for name in ("far", "origins", "weights")
            )
            count = sum(part.count for part in foreign.values())
            joined = Tail.of(far @ -weights, origins, weight, count, seed)
            if joined is None:
                return None
            tails[JOINED] = joined
        return cls(weights, tails, np.sort(own @ -weights)) if weights.any() else None

    def p(self, far: Scores) -> Scores:
        """p-values (m,) of (m, 2) images, the largest over the strata."""
        near = far @ -self.weights
        found: Scores = np.max([tail.p(near) for tail in self.tails.values()], axis=0)
        return found

    @property
    def typical(self) -> float:
        """p-value of the median own image."""
        near = np.median(self.own, keepdims=True)
        return float(max(tail.p(near)[0] for tail in self.tails.values()))

    def config(self) -> dict[str, dict[str, float]]:
        """JSON-able, what `stored` needs beside `tensors`."""
        return {name: dict(vars(tail)) for name, tail in self.tails.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Float64."""
        return {"weights": torch.tensor(self.weights), "own": torch.tensor(self.own)}

    @classmethod
    def stored(cls, config: Mapping[str, Any], weights: Tensor, own: Tensor) -> JointTail:
        """The inverse; raises KeyError, TypeError or ValueError where something is amiss."""
        tails = {
            str(name): Tail(
                float(fields["share"]),
                float(fields["start"]),
                float(fields["scale"]),
                int(fields["origins"]),
            )
            for name, fields in config.items()
        }
        values = [
            value for tail in tails.values() for value in (tail.share, tail.start, tail.scale)
        ]
        good = weights.shape == (2,) and bool(torch.isfinite(weights).all()) and own.ndim == 1
        if not tails or not good or not np.isfinite(values).all() or min(values[2::3]) < 0:
            raise ValueError("no tail")
        return cls(weights.double().numpy(), tails, own.double().numpy())


def both(support: Scores, beyond: Scores) -> Scores:
    """(n, 2): the first witness's score in units of its threshold, as a logarithm; and the second's
    dB beyond own images of such detail."""
    first = np.log(np.maximum(support, np.exp(-FAR))).clip(max=FAR)
    return np.stack([first, beyond], axis=1)


def _discriminant(own: Scores, foreign: list[Scores]) -> Scores:
    """Fisher's, by the foreign images' covariance, whose tail is at stake; a witness that would
    count against the image has no weight."""
    count = sum(map(len, foreign))
    within = sum((len(part) * np.cov(part.T, bias=True) for part in foreign if len(part) > 1),
                 np.zeros((2, 2))) / count  # fmt: skip
    within += 1e-6 * np.eye(2)
    middle = np.concatenate(foreign).mean(axis=0)
    apart = middle - own.mean(axis=0)
    weights: Scores = np.linalg.solve(within, apart)
    if weights.min() < 0:
        best = int(np.argmax(apart / np.sqrt(np.diag(within))))
        weights = np.zeros(2)
        weights[best] = max(0.0, apart[best]) / within[best, best]
    return weights
