"""The tests of one scan, decided together.

One test per content and attributor: copies of an image say nothing that the image does not say.
What is suppressed counts as no test: known leaks would lend their significance to foreign images.
All attributors of a scan are one family, as whoever reads its findings reads all of them
(Benjamini and Hochberg 1995; Benjamini and Bogomolov 2014 on what selecting among families does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.rules import q_by_level


class Family:
    """Benjamini-Hochberg over all tests of a scan.

    p-values take few values (one more than a stratum has calibration images), and equal ones have
    equal q-values: what is held is one q per value, not per image.

    Parameters
    ----------
    p : mapping of attributor to (m,) float64
        The p-values of its tests.
    fdr : float
    """

    def __init__(self, p: Mapping[str, NDArray[np.float64]], fdr: float) -> None:
        together = np.sort(np.concatenate([np.zeros(0), *p.values()]))
        #: Tests by attributor, and in all.
        self.tests = {name: len(values) for name, values in p.items()}
        self.count = len(together)
        self._levels, self._q = q_by_level(together)
        self._below = np.searchsorted(together, self._levels, side="right")
        #: The largest p-value that is significant over the scan; q does not fall as p rises.
        self.cut = self.cut_at(fdr)
        self._beside: dict[float, float] = {}

    def cut_at(self, fdr: float) -> float:
        """The largest p-value whose q is at most `fdr`; -1 if there is none."""
        return float(self._levels[self._q <= fdr].max(initial=-1.0))

    def q(self, p: float) -> float:
        """Of a test of the family."""
        place = int(np.searchsorted(self._levels, p))
        return float(self._q[place]) if place < len(self._levels) else 1.0

    def q_beside(self, p: float) -> float:
        """What a test outside the family would have, were it one more."""
        if p not in self._beside:
            first = int(np.searchsorted(self._levels, p))
            below = self._below[first - 1] if first else 0
            equal = first < len(self._levels) and self._levels[first] == p
            own = [] if equal else [p * (self.count + 1) / (below + 1)]
            rest = self._levels[first:] * (self.count + 1) / (self._below[first:] + 1)
            self._beside[p] = float(min([1.0, *own, rest.min(initial=1.0)]))
        return self._beside[p]


def family_of(
    findings: Iterable[Finding], names: Iterable[str], fdr: float, batch: int = 0
) -> Family:
    """The family of a saved scan's rows: those that its batch of a ledger has decided, if any."""
    contents: dict[str, dict[object, float]] = {name: {} for name in names}
    for place, finding in enumerate(findings):
        row = finding.row
        if row.p is not None and finding.batch == batch and (batch or not finding.suppressed):
            mine = contents[row.attributor]
            content = row.sha256 or place
            mine[content] = max(row.p, mine.get(content, 0.0))
    return Family({name: _array(found.values()) for name, found in contents.items()}, fdr)


def counted(
    contents: Iterator[tuple[str, float]], suppressed: frozenset[str]
) -> NDArray[np.float64]:
    """The p-values of (SHA-256, p) pairs of distinct contents that are not suppressed."""
    return _array(p for sha256, p in contents if sha256 not in suppressed)


def _array(values: Iterable[float]) -> NDArray[np.float64]:
    return np.fromiter(values, dtype=np.float64)
