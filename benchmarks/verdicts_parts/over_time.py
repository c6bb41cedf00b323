"""`year_false_alarm` and `models50_false_exit`: scans that repeat where nothing is ours; and what
the bound costs in leaks that are called.

Decided by the product's own functions: the level of every scan by `next_batch`, its tests by
`Family`, whose smallest q makes a leak or none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from flipad_ops.detection.calibration import Rate
from flipad_ops.detection.null import Null as Calibrated
from flipad_ops.scanning.decisions.family import Family
from flipad_ops.scanning.decisions.over_time import YEARLY_IN_FDR, Batch, next_batch

Array = NDArray[np.float64]
#: p-values (m,) of m foreign contents.
Draw = Callable[[int], Array]
#: An attributor: its calibration is drawn once, what it is shown on every call.
Null = Callable[[np.random.Generator], Draw]

DAYS, DAY = 365, 86_400.0


def uniform(calibration: int = 0, alike: int = 1) -> Null:
    """Uniform p-values, on the grid of 1 / (n + 1) where there are n calibration images.

    Parameters
    ----------
    calibration : int
        0: no floor, as a tail model has none.
    alike : int
        So many contents of a scan share one p-value: tiles of one photograph.
    """

    def attributor(source: np.random.Generator) -> Draw:
        def draw(count: int) -> Array:
            p = source.uniform(size=-(-count // alike))
            if calibration:
                p = np.ceil(p * (calibration + 1)) / (calibration + 1)
            return np.repeat(p, alike)[:count]

        return draw

    return attributor


def from_scores(scores: Array, calibration: int, alike: int = 1) -> Null:
    """Conformal p-values of measured scores of foreign images.

    Every attributor draws `calibration` of them; what it is shown is drawn from the others.

    Parameters
    ----------
    scores : (n,) float64, n > calibration
    calibration, alike : int
    """

    def attributor(source: np.random.Generator) -> Draw:
        mixed = source.permutation(scores)
        null, rest = mixed[:calibration], mixed[calibration:]

        def draw(count: int) -> Array:
            shown = source.choice(rest, size=-(-count // alike))
            return np.repeat(Calibrated({"foreign": null}).p(shown), alike)[:count]

        return draw

    return attributor


def year_false_alarm(
    null: Null,
    *,
    years: int = 200,
    daily: int = 100,
    models: int = 1,
    fdr: float = 0.01,
    yearly: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Share of clean years of daily scans in which any image is called a leak.

    Parameters
    ----------
    yearly : float or None
        None: as the product has it.

    Returns
    -------
    dict
        `share`, `low` and `high` (95% Clopper-Pearson) of `years` years, the `bound` that the
        product states, and `alone`: the share if every scan were decided by itself.
    """
    source, yearly = np.random.default_rng(seed), yearly or YEARLY_IN_FDR * fdr
    found = [_year(null, source, daily, models, yearly, fdr) for _ in range(years)]
    carried, alone = np.array(found).sum(axis=0)
    rate = Rate.of(int(carried), years)
    return {
        "share": rate.value, "low": rate.low, "high": rate.high, "years": years,
        "bound": yearly, "alone": int(alone) / years, "models": models, "daily": daily,
    }  # fmt: skip


def models50_false_exit(
    null: Null,
    *,
    scans: int = 400,
    contents: int = 100,
    models: int = 50,
    fdr: float = 0.01,
    seed: int = 0,
) -> dict[str, Any]:
    """Share of single clean scans with fifty attributors that end with a false leak (exit 3).

    Returns
    -------
    dict
        `share`, `low` and `high` (95% Clopper-Pearson) of `scans` scans, and the `bound`.
    """
    source, wrong = np.random.default_rng(seed), 0
    for _ in range(scans):
        draws = [null(source) for _ in range(models)]
        wrong += _least_q(draws, contents, fdr) <= fdr
    rate = Rate.of(wrong, scans)
    return {
        "share": rate.value, "low": rate.low, "high": rate.high, "scans": scans,
        "bound": fdr, "models": models, "contents": contents,
    }  # fmt: skip


def leaks_called(
    shift: float,
    leaks: int,
    *,
    day: int,
    repeats: int = 400,
    daily: int = 100,
    fdr: float = 0.01,
    floor: float = 0.0,
    seed: int = 0,
) -> dict[str, float]:
    """Mean share of a day's leaks that are called, after clean daily scans before.

    Foreign images have standard normal scores, own ones lie `shift` standard deviations below.

    Parameters
    ----------
    shift : float
    leaks : int
        Own images among the day's `daily`.
    day : int
        From 1.
    floor : float
        No p-value is smaller.

    Returns
    -------
    dict
        `carried`, by the ledger's share of the day; `alone`, as a scan by itself.
    """
    source, history = np.random.default_rng(seed), list[Batch]()
    for each in range(day):
        history.append(next_batch(history, each * DAY, YEARLY_IN_FDR * fdr, fdr, daily))
    called = {"carried": 0.0, "alone": 0.0}
    for _ in range(repeats):
        scores = source.standard_normal(daily)
        scores[:leaks] -= shift
        p = np.maximum(norm.cdf(scores), floor)
        family = Family({"attributor": p}, history[-1].level)
        mine = float((p[:leaks] <= family.cut_at(fdr)).mean()) / repeats
        called["alone"] += mine
        called["carried"] += mine if family.cut >= 0 else 0.0
    return called


def _year(
    null: Null, source: np.random.Generator, daily: int, models: int, yearly: float, fdr: float
) -> tuple[bool, bool]:
    draws = [null(source) for _ in range(models)]
    history, carried, alone = list[Batch](), False, False
    for day in range(DAYS):
        batch = next_batch(history, day * DAY, yearly, fdr, daily * models)
        history.append(batch)
        q = _least_q(draws, daily, batch.level)
        carried, alone = carried or q <= batch.level, alone or q <= fdr
    return carried, alone


def _least_q(draws: list[Draw], contents: int, level: float) -> float:
    p = {str(i): draw(contents) for i, draw in enumerate(draws)}
    return Family(p, level).q(min(float(values.min()) for values in p.values()))
