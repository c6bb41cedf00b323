"""From p-values to verdicts: false discovery rate over the scan, and groups of weak evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.decisions.witnesses import why_said


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values (m,): the smallest false discovery rate at which each p is rejected."""
    count = len(p)
    if count == 0:
        return np.zeros(0)
    order = np.argsort(p)
    adjusted = p[order] * count / np.arange(1, count + 1)
    adjusted = np.minimum.accumulate(adjusted[::-1])[::-1]  # the last is p itself, so at most 1
    q = np.empty(count)
    q[order] = adjusted
    return q


def q_by_level(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct p-values, ascending, and the q-value of each; equal p have equal q."""
    p_sorted = np.sort(p)
    levels, first = np.unique(p_sorted, return_index=True)
    return levels, benjamini_hochberg(p_sorted)[first]


def needed_together(floor: float, count: int, fdr: float) -> int:
    """How many of `count` images at the smallest p-value have q <= fdr together; 1 at least."""
    # Rounding must not ask for one more where the quotient is whole.
    return max(1, math.ceil(floor * count / max(fdr, 1e-12) - 1e-9))


def judge(row: Row, q: float, *, fdr: float, floor: float, count: int) -> Finding:
    """The verdict of one scored row, given its q-value.

    `leak`: attributed by the threshold and q <= fdr. `review`: attributed, but the p-value is
    not small enough among this many images. `clear`: above the threshold.

    Parameters
    ----------
    row : Row
        A scored one.
    q : float
        Benjamini-Hochberg adjusted p over the scan.
    fdr : float
        False discovery rate over the scan.
    floor : float
        Smallest p-value the calibration allows, 1 / (n + 1).
    count : int
        Tests of the scan.
    """
    said = why_said(row.testimony, bool(row.attributed))
    if not row.attributed:
        return Finding(row, q, "clear", said)
    reason = " ".join(filter(None, (said, row.reason)))
    if q <= fdr:
        return Finding(row, q, "leak", reason)
    at_floor = row.p is not None and row.p <= floor * (1 + 1e-9)
    why = (
        f"p is at the calibration floor {floor:.2g}, too coarse for {count} tests "
        f"at FDR {fdr:g}: calibrate with more foreign images or test by prefix"
        if at_floor
        else f"q = {q:.2g} is above the FDR {fdr:g}"
    )
    return Finding(row, q, "review", f"{why}. {reason}" if reason else why)


@dataclass(frozen=True)
class PrefixTest:
    """More low p-values under one prefix than chance allows?

    Parameters
    ----------
    prefix : str
    scanned, attributed, leaks : int
    expected : float
        Attributed images expected if none were ours, at the largest measured FPR bound.
    p : float
        Binomial tail of `attributed` among `scanned` at that rate.
    q : float
        Benjamini-Hochberg adjusted over the prefixes.
    """

    prefix: str
    scanned: int
    attributed: int
    leaks: int
    expected: float
    p: float
    q: float = 1.0


def most_telling(tests: Sequence[PrefixTest], count: int) -> list[PrefixTest]:
    """The `count` prefixes with the smallest q, in name order: a bucket may have very many."""
    chosen = sorted(tests, key=lambda test: (test.q, -test.attributed, test.prefix))[:count]
    return sorted(chosen, key=lambda test: test.prefix)


def prefix_of(key: str) -> str:
    """Everything before the last slash; "" at the top."""
    return key.rpartition("/")[0]


def grouping(pattern: str) -> Callable[[str], str]:
    """How keys are grouped: by folder, or by what a regular expression finds in the key.

    The expression's first group counts, or else all it matches; a key without a match stays with
    its folder.

    Raises
    ------
    UsageError
    """
    if not pattern:
        return prefix_of
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}.") from error

    def group(key: str) -> str:
        found = expression.search(key)
        if found is None:
            return prefix_of(key)
        return str(found[1] or "") if expression.groups else found[0]

    return group


def prefix_tests(
    judged: Iterable[tuple[str, bool, bool]],
    false_positive_rate: float,
    group: Callable[[str], str] = prefix_of,
) -> list[PrefixTest]:
    """One binomial test per prefix, against an upper bound of the false positive rate.

    Parameters
    ----------
    judged : iterable of (key, attributed, leak)
        Every scored image of one attributor.
    false_positive_rate : float
        Upper 95% bound of the worst calibration stratum, in (0, 1].
    group : callable
        From a key to what it is tested with; see `grouping`.
    """
    counts: dict[str, list[int]] = {}
    for key, attributed, leak in judged:
        count = counts.setdefault(group(key), [0, 0, 0])
        count[0] += 1
        count[1] += attributed
        count[2] += leak
    if not counts:
        return []
    names = sorted(counts)
    scanned, hits, leaks = np.array([counts[name] for name in names]).T
    p = binom.sf(hits - 1, scanned, false_positive_rate)
    q = benjamini_hochberg(p)
    return [
        PrefixTest(
            prefix=name,
            scanned=int(scanned[i]),
            attributed=int(hits[i]),
            leaks=int(leaks[i]),
            expected=float(scanned[i] * false_positive_rate),
            p=float(p[i]),
            q=float(q[i]),
        )
        for i, name in enumerate(names)
    ]
