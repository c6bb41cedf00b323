"""Which outputs of a generator without an activation are black and white: measured, not assumed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from flipad_ops.common.errors import RangeUnknown
from flipad_ops.generators.tail import Range

#: Share of values left out at either end.
TAIL_SHARE = 0.005
#: Values below this are no rounding of black in [0, 1]; their share is next to nothing in
#: generators of [0, 1] and at least a twentieth in those of [-1, 1].
BELOW, SELDOM, OFTEN = -0.1, 0.005, 0.05
#: Beyond this no generator of [-1, 1] goes with more than a two-hundredth of its values.
FARTHEST = 8.0
#: From here on values count grey levels.
LEVELS = 20.0


@dataclass(frozen=True)
class MeasuredRange:
    """Where the values of samples lie.

    Parameters
    ----------
    low, high : float
        All but 0.5% at either end lie between.
    below : float
        Share of values below -0.1.
    """

    low: float
    high: float
    below: float

    @classmethod
    def of(cls, output: Tensor) -> MeasuredRange:
        """Of what the generator returned, any shape."""
        values = output.detach().float().flatten().sort().values
        cut = min(int(len(values) * TAIL_SHARE), (len(values) - 1) // 2)
        below = float((values < BELOW).float().mean())
        return cls(float(values[cut]), float(values[-1 - cut]), below)

    def usual(self) -> Range | None:
        """The one of [-1, 1], [0, 1] and [0, 255] that the values fit alone; None if not one."""
        if self.high > LEVELS and self.low >= BELOW * self.high:
            return 0.0, 255.0
        if self.below <= SELDOM and self.low >= 2 * BELOW and 0.0 < self.high <= 1.5:
            return 0.0, 1.0
        if self.below >= OFTEN and max(-self.low, self.high) <= FARTHEST:
            return -1.0, 1.0
        return None

    def require(self) -> Range:
        """`usual`, or a question to the owner.

        Raises
        ------
        RangeUnknown
        """
        if (found := self.usual()) is not None:
            return found
        raise RangeUnknown(
            f"The generator has no output activation, and its values ({self}, {self.below:.1%} "
            f"below {BELOW:g}) do not tell which of them are black and white: state output_range "
            "(register --output-range LOW,HIGH)."
        )

    def __str__(self) -> str:
        return f"{self.low:.3g} to {self.high:.3g}"
