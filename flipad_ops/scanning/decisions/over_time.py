"""Scans that repeat: what is bounded is the false alarms of a year, not of each scan alone.

The scans of a ledger are batches of tests, each of the contents that no earlier scan has tested. A
batch has to pass a gate: some test of it is significant (Benjamini-Hochberg, which is then Simes'
test that anything is) at a level of its own. Only then it is decided at the false discovery rate of
a scan. The levels of a year add up to a yearly level: alpha spending over batches (Foster and Stine
2008), partly by the calendar as in sequential trials (Lan and DeMets 1983), partly by `k ** -1.6`
over the batches (the sequence of BatchBH; Zrnic, Jiang, Ramdas and Jordan 2020), so that neither
daily scans nor a few at odd times are left without a level.

By the union bound the batches of a year that hold no own image have a false call among them with a
probability of at most the yearly level, whatever the batches have to do with each other; inside a
batch positive dependence suffices (Benjamini and Yekutieli 2001). In the others the false discovery
rate is that of a scan, as a gate only takes findings away. Both matter: all batches of an
attributor share one set of calibration images, which makes conformal p-values dependent over days
(Bates et al. 2023), and BatchBH asks for independent batches. Leaks do not earn a higher level
later, as they would in BatchBH: what is known must not pay for what is new.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scipy.special import zeta

#: Seconds of a ledger's year, which begins with its first batch.
YEAR = 365 * 86_400.0
#: The yearly level in false discovery rates of a scan, unless told otherwise: the first scan of a
#: ledger is then decided as if it were alone.
YEARLY_IN_FDR = 5.0
#: Of the first year's level: most of what there is to find lies there at the first scan.
AT_FIRST = 0.25
_EXPONENT = 1.6
_ALL = float(zeta(_EXPONENT))
#: Families that a batch decides, each at the batch's level: images, and groups of them.
FAMILIES = 2


@dataclass(frozen=True)
class Batch:
    """What one scan has tested.

    Parameters
    ----------
    number : int
        From 1, over the ledger.
    at : float
        Seconds since 1970.
    level : float
        Of the gate of its images, and again of its groups.
    tests : int
        Contents times attributors.
    decided : float
        At which its findings are decided: the false discovery rate once a gate has opened, else
        `level`, at which there are none.
    """

    number: int
    at: float
    level: float
    tests: int
    decided: float = 0.0


@dataclass(frozen=True)
class OverTime:
    """Where a ledger stands with a scan, for summaries.

    Parameters
    ----------
    yearly : float
        P(any false call in a year without an own image) is at most this.
    year, day : int
        Of the ledger, from 1; the day of that year.
    batch : int
        The scan's own; 0 where it has none: nothing was new, or it was interrupted.
    tests : int
        New contents times attributors.
    level : float
        Of their gate, images and groups each.
    spent : float
        Of the yearly level in this year, with this scan.
    levels : mapping of batch to float
        At which the findings of each batch so far are decided.
    """

    yearly: float
    year: int
    day: int
    batch: int
    tests: int
    level: float
    spent: float
    levels: dict[int, float]

    def said(self) -> str:
        """In a sentence: "Day 17 of this ledger: 100 new tests at level 0.000064, ..."."""
        of = "" if self.year == 1 else f" of year {self.year}"
        some = f"{self.tests} new test{'' if self.tests == 1 else 's'}"
        if self.batch:
            what = f"{some} at level {_plain(self.level)}, images and groups each"
            if self.levels[self.batch] > self.level:
                what += f", passed and so decided at FDR {self.levels[self.batch]:g}"
        elif self.tests:
            what = f"{some}, not decided before the scan is complete"
        else:
            what = "nothing new to test"
        return (
            f"Day {self.day}{of} of this ledger: {what}; {_plain(self.spent)} of {self.yearly:g} "
            f"a year is spent: at most {100 * self.yearly:.3g}% of years without an "
            "own image have any false call"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "levels": {str(k): level for k, level in self.levels.items()}}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> OverTime:
        """The inverse of `to_dict`."""
        levels = {int(number): float(level) for number, level in stored["levels"].items()}
        return cls(**{**stored, "levels": levels})


def _plain(number: float) -> str:
    """Two digits, without an exponent."""
    return f"{Decimal(f'{number:.2g}'):f}"


def granted(batches: int, passed: float, first: bool) -> float:
    """Share of a year's level that may be spent by its `batches`-th batch, in [0, 1].

    Parameters
    ----------
    batches : int
        Of the year, with the one to come; 1 at least.
    passed : float
        Of the year, in [0, 1].
    first : bool
        The ledger's first year.
    """
    by_count = math.fsum(float(k) ** -_EXPONENT for k in range(1, batches + 1)) / _ALL
    rest = (by_count + passed) / 2
    return min(1.0, AT_FIRST + (1 - AT_FIRST) * rest if first else rest)


def next_batch(
    history: Sequence[Batch], now: float, yearly: float, fdr: float, tests: int
) -> Batch:
    """The batch of `tests` tests that follows, at the level that is there for it.

    What was granted and not spent before, as the false discovery rate of a scan caps the level, is
    there for later batches.

    Parameters
    ----------
    history : sequence of Batch
        All of the ledger, in their order.
    now : float
        Seconds since 1970; a clock that was set back counts as standing still.
    yearly : float
    fdr : float
        No batch is decided at a higher level.
    """
    now = _forward(history, now)
    mine = _of_year(history, now)
    year, passed = _place(history, now)
    may = yearly * granted(len(mine) + 1, passed, year == 0)
    level = min(fdr, max(0.0, may - _spent(mine)) / FAMILIES)
    return Batch(len(history) + 1, now, level, tests, level)


def standing(
    history: Sequence[Batch], now: float, yearly: float, level: float, tests: int, batch: int
) -> OverTime:
    """Where the ledger is; `history` has the scan's batch already if it has one."""
    now = _forward(history, now)
    year, passed = _place(history, now)
    spent = _spent(_of_year(history, now))
    levels = {each.number: each.decided for each in history}
    day = int(passed * YEAR / 86_400.0 + 1e-6) + 1
    return OverTime(yearly, year + 1, day, batch, tests, level, spent, levels)


def _spent(batches: Sequence[Batch]) -> float:
    return math.fsum(FAMILIES * batch.level for batch in batches)


def _forward(history: Sequence[Batch], now: float) -> float:
    return max([now, *(batch.at for batch in history)])


def _place(history: Sequence[Batch], now: float) -> tuple[int, float]:
    """The ledger's year from 0, and what has passed of it."""
    passed, year = math.modf((now - history[0].at) / YEAR if history else 0.0)
    return int(year), passed


def _of_year(history: Sequence[Batch], now: float) -> list[Batch]:
    year, _ = _place(history, now)
    return [batch for batch in history if _place(history, batch.at)[0] == year]
