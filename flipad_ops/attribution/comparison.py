"""Two attributors of one generator on the same images: who is right more often, and how surely."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.seeds import stream
from flipad_ops.generators import SplitGenerator

Right = NDArray[np.bool_]
#: Resamples of the paired bootstrap, and its level.
RESAMPLES, LEVEL = 4000, 0.95


@dataclass(frozen=True)
class Comparison:
    """A new attributor beside the one that was current.

    Parameters
    ----------
    attributor : str
        The one that was current, "NAME-attributor/3".
    difference, low, high : float
        Balanced accuracy of the new one less that of the other, with its 95% interval.
    own, foreign : int
        Images, each scored by both.
    """

    attributor: str
    difference: float
    low: float
    high: float
    own: int
    foreign: int

    @property
    def worse(self) -> bool:
        """Whether the new one is surely worse."""
        return self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def text(self) -> str:
        """A sentence."""
        return (
            f"Beside {self.attributor}, on the same {self.own} own and {self.foreign} foreign "
            f"images that neither was trained on: balanced accuracy {self.difference:+.2%} "
            f"({self.low:+.2%} to {self.high:+.2%})."
        )


def compare(attributor: str, own: tuple[Right, Right], foreign: tuple[Right, Right]) -> Comparison:
    """Pair the answers of a new attributor with those of `attributor`.

    Parameters
    ----------
    own, foreign : pairs of (n,) bool
        Whether the new one and the other were right about each image; own and foreign images
        weigh 50:50 whatever their numbers.

    Notes
    -----
    What both get right or wrong cancels, so that the interval is that of the discordant images, as
    in McNemar's test (1947). A percentile bootstrap over pairs (Efron and Tibshirani, 1993), drawn
    apart for own and foreign images, widened by what no discordant image can exclude: with
    none among n the interval of their share ends at 1 - 0.025^(1/n), and so does ours.
    """
    source = np.random.default_rng(0)
    point, samples, least = 0.0, np.zeros(RESAMPLES), 0.0
    for new, old in (own, foreign):
        gains = new.astype(np.float64) - old.astype(np.float64)
        point += gains.mean() / 2
        # Gains are -1, 0 and 1: their counts in a resample are multinomial.
        shares = [float((gains == value).mean()) for value in (-1.0, 0.0, 1.0)]
        drawn = source.multinomial(len(gains), shares, size=RESAMPLES)
        samples += (drawn[:, 2] - drawn[:, 0]) / len(gains) / 2
        least += (1 - ((1 - LEVEL) / 2) ** (1 / len(gains))) / 2 if not gains.any() else 0.0
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Comparison(
        attributor,
        float(point),
        float(low - least),
        float(high + least),
        len(own[0]),
        len(foreign[0]),
    )


def unseen_own(generator: SplitGenerator, count: int, settings: FitSettings) -> Tensor:
    """Own images (count, *sample_shape) for a comparison: no fit trains or calibrates on them."""
    return generator.sample(count, stream(settings.seed, "champion"))
