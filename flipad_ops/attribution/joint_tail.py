"""How improbable it is that a foreign image comes as near as this one by both witnesses: a model.

Of an image as it was made each witness says how far it is: the first by every view, whose score is
more telling than that of the largest alone, the second by how many dB the remade image is farther
than own images of such detail are. Weighted as Fisher's discriminant weighs them, all are one
number, nearness, whose tail among foreign images is continued (`detection.exponential_tail`). That
they err alike is not assumed away: it is the tail of their sum.

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

from flipad_ops.detection.exponential_tail import LEAST, Tail
from flipad_ops.regeneration.remade_batch import FAR

Scores = NDArray[np.float64]
#: Of all strata too small for a tail of their own, with all others.
JOINED = "all sources"


@dataclass(frozen=True, eq=False)
class Followed:
    """The nearest of a foreign source's calibration images.

    Parameters
    ----------
    far : (n, views + 1) float64
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
    weights : (views + 1,) float64
    tails : mapping of stratum to Tail
    own : (n,) float64
        Nearness of own calibration images as made, ascending.
    """

    weights: Scores
    tails: Mapping[str, Tail]
    own: Scores

    @classmethod
    def of(cls, own: Scores, foreign: Mapping[str, Followed], seed: int) -> JointTail | None:
        """Of (n, views + 1) own images and of foreign ones; None where these are too few."""
        every = [part for part in foreign.values() if len(part.far)]
        if len(own) < 2 or sum(len(part.far) for part in every) < 2 * LEAST:
            return None
        weights = _discriminant(own, [part.far for part in every])
        tails = dict[str, Tail]()
        for name, part in foreign.items():
            if not len(part.far):
                continue
            tail = Tail.of(part.far @ -weights, part.origins, part.weights, part.count, seed)
            if tail is not None:
                tails[name] = tail
        if len(tails) < len(foreign):
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
        """p-values (m,) of (m, views + 1) images, the largest over the strata."""
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
        good = weights.ndim == 1 and bool(torch.isfinite(weights).all()) and own.ndim == 1
        if not tails or not good or not np.isfinite(values).all() or min(values[2::3]) < 0:
            raise ValueError("no tail")
        return cls(weights.double().numpy(), tails, own.double().numpy())


def both(views: Scores, beyond: Scores) -> Scores:
    """(n, views + 1): what each of the first witness's views says in units of its threshold, as
    logarithms; and the second's dB beyond own images of such detail."""
    first = np.log(np.maximum(views, np.exp(-FAR))).clip(max=FAR)
    return np.concatenate([first, beyond[:, None]], axis=1)


def _discriminant(own: Scores, foreign: list[Scores]) -> Scores:
    """Fisher's, by the foreign images' covariance (Ledoit and Wolf's estimate), whose tail is at
    stake; no weight is below 0: what tells nothing, or counts against own images, has none."""
    from scipy.optimize import nnls
    from sklearn.covariance import ledoit_wolf

    off = np.concatenate([part - part.mean(axis=0) for part in foreign])
    spread = off.std(axis=0) + 1e-6
    within = ledoit_wolf(off / spread, assume_centered=True)[0]
    apart = (np.concatenate(foreign).mean(axis=0) - own.mean(axis=0)) / spread
    # Least of w C w / 2 - w d for w >= 0, as a least-squares problem.
    root = np.linalg.cholesky(within + 1e-6 * np.eye(len(spread)))
    weights: Scores = nnls(root.T, np.linalg.solve(root, apart))[0] / spread
    return weights
