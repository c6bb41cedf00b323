"""From p-values to verdicts: the false discovery rate over the scan."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

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


def log_choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of "n choose k", for each k."""
    log: NDArray[np.float64] = -np.log(n + 1) - betaln(n - k + 1, k + 1)
    return log


def needed_together(floor: float, count: int, fdr: float) -> int:
    """How many of `count` images at the smallest p-value have q <= fdr together; 1 at least."""
    # Rounding must not ask for one more where the quotient is whole.
    return max(1, math.ceil(floor * count / max(fdr, 1e-12) - 1e-9))


def judge(
    row: Row, q: float, *, fdr: float, floor: float, count: int, share: bool = False
) -> Finding:
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
    share : bool
        `fdr` is the scan's share of a yearly level.
    """
    said = why_said(row.testimony, bool(row.attributed))
    if not row.attributed:
        return Finding(row, q, "clear", said)
    reason = " ".join(filter(None, (said, row.reason)))
    if q <= fdr:
        return Finding(row, q, "leak", reason)
    at_floor = row.p is not None and row.p <= floor * (1 + 1e-9)
    told = f"{fdr:.2g}, the share of this scan in its ledger's year" if share else f"{fdr:g}"
    why = (
        f"p is at the calibration floor {floor:.2g}, too coarse for {count} tests "
        f"at FDR {told}: calibrate with more foreign images or test by prefix"
        if at_floor
        else f"q = {q:.2g} is above the FDR {told}"
    )
    return Finding(row, q, "review", f"{why}. {reason}" if reason else why)
