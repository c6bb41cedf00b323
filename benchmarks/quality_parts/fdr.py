"""Error rates of whole scans, by the attributor's calibration and the scanner's decisions.

Held-out nulls come from the strata of the calibration (real images and sibling versions, other
images). Scans are drawn from them and from held-out own images. Every scan also redraws which
nulls calibrate, as the guarantee of a conformal p-value is over both draws; rates of the
calibration as fitted stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from flipad_ops.detection import Null
from flipad_ops.scanning.decisions.rules import benjamini_hochberg

Scores = NDArray[np.float64]
FDR = 0.05
LEVELS = (0.01, 0.05, 0.1)
LEAKS = (0.0, 0.001, 0.01, 0.1)
SCANS, IMAGES = 200, 1000


def realised_fpr(null: Mapping[str, Scores], held_out: Mapping[str, Scores]) -> dict[str, Any]:
    """Share of each stratum's held-out nulls with p at or below a level, as fitted.

    `inside` says whether it lies below the upper end of the 95% interval for the level, widened
    by what a calibration set of this size leaves open (a beta-binomial): conformal p-values with
    the largest over strata may be too careful, never too bold.
    """
    found: dict[str, Any] = {}
    for name, scores in held_out.items():
        p = Null(null).p(scores)
        rows = {}
        for level in LEVELS:
            count, hits = len(p), int((p <= level).sum())
            size = len(null[name])
            spread = np.sqrt(level * (1 - level) * (1 / count + 1 / size))
            upper = max(binom.ppf(0.975, count, level) / count, level + 1.96 * spread)
            rows[str(level)] = {
                "fpr": hits / count, "count": count, "upper": float(upper),
                "inside": bool(hits / count <= upper),
            }  # fmt: skip
        found[name] = rows
    return found


def simulate(
    null: Mapping[str, Scores], held_out: Mapping[str, Scores], own: Scores, threshold: float,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Realised FDR and power over SCANS scans of IMAGES images at each share of leaks."""
    source = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for share in LEAKS:
        leaks = round(share * IMAGES)
        fixed, redrawn, power = [], [], []
        for _ in range(SCANS):
            ours = source.choice(own, leaks)
            for calibrate, out in ((False, fixed), (True, redrawn)):
                calibration, rest = dict(null), dict(held_out)
                if calibrate:
                    for name in null:
                        pool = source.permutation(np.r_[null[name], held_out[name]])
                        calibration[name] = pool[: len(null[name])]
                        rest[name] = pool[len(null[name]) :]
                foreign = np.concatenate(
                    [
                        source.choice(part, len(block))
                        for part, block in zip(
                            rest.values(),
                            np.array_split(np.arange(IMAGES - leaks), len(rest)),
                            strict=True,
                        )
                    ]
                )
                scores = np.r_[ours, foreign]
                q = benjamini_hochberg(Null(calibration).p(scores))
                flagged = (q <= FDR) & (scores <= threshold)
                out.append(float(flagged[leaks:].sum() / max(flagged.sum(), 1)))
            power.append(float(flagged[:leaks].mean()) if leaks else float("nan"))
        found[str(share)] = {
            "fdr_as_fitted": float(np.mean(fixed)),
            "fdr": float(np.mean(redrawn)),
            "fdr_standard_error": float(np.std(redrawn, ddof=1) / np.sqrt(SCANS)),
            "power": float(np.nanmean(power)) if leaks else None,
        }
    return found
