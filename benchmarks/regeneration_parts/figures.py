"""The few figures that the docs quote, out of the rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.regeneration_parts.alterations import ALTERATIONS, AS_MADE, ONE_LEVEL, SHIFTED
from benchmarks.regeneration_parts.field import Row, select

Rows = Sequence[Row]
#: Section, alteration and method of the areas under curves.
AREAS = {
    f"{section}_auc{how_said}{suffix}": (section, how, method)
    for section, ours in (("taef2", "ours"), ("taef2_256", "ours, without a fit"))
    for how, how_said, ours_said in ((AS_MADE, "", "_ours"), ("JPEG 90", "_jpeg90", ""))
    for suffix, method in (
        (ours_said, ours), ("_aedr", "AEDR"), ("_latenttracer", "LatentTracer")
    )
}  # fmt: skip


def share(rows: Rows, count: str = "attributed") -> float | None:
    """Of all images of the rows together; None for no images."""
    images = sum(row["images"] for row in rows)
    return round(sum(row[count] for row in rows) / images, 4) if images else None


def accuracies(
    rows: Rows, how: str, count: str = "attributed", section: str = "zoo"
) -> dict[str, float]:
    """Of the zoo, by kind of foreign images: half of own found, half of foreign refused."""
    cells = [row for row in select(rows, section=section, how=how) if "kind" in row]
    found = share(select(cells, kind="own"), count)
    kinds = dict.fromkeys(row["kind"] for row in cells if row["kind"] != "own")
    refused = {kind: share(select(cells, kind=kind), count) for kind in kinds}
    return {
        kind: round((found + 1 - wrong) / 2, 4)
        for kind, wrong in refused.items()
        if found is not None and wrong is not None
    }


def altered_cells(rows: Rows, count: str = "attributed", section: str = "zoo") -> list[float]:
    """Accuracies of every kind by every alteration."""
    hows = (how for how in ALTERATIONS if how != AS_MADE)
    return [x for how in hows for x in accuracies(rows, how, count, section).values()]


def summarise(rows: Rows) -> dict[str, float | None]:
    """Flat: shares of images, areas, ratios, times; None for what was not measured."""

    def of(**wanted: Any) -> float | None:
        return share([row for row in select(rows, **wanted) if "attributed" in row])

    def zoo(how: str, kind: str = "own") -> float | None:
        return of(section="zoo", how=how, kind=kind)

    cells, few = altered_cells(rows), altered_cells(rows, section="zoo_few")
    first = altered_cells(rows, "without_second")
    framed = [row for row in select(rows, section="whitebox", levels=4)
              if row["how"] in ("framing the second", "framing both")]  # fmt: skip
    related = {row["kind"]: row["attributed"] / row["images"]
               for row in select(rows, section="siblings")
               if row.get("kind") not in (None, "own", "photographs")}  # fmt: skip
    return {
        "altered_accuracy_mean": _mean(cells),
        "altered_accuracy_min": min(cells, default=None),
        "altered_accuracy_mean_without_second": _mean(first),
        "few_accuracy_mean": _mean(few),
        "few_accuracy_min": min(few, default=None),
        "noise1_found": zoo(ONE_LEVEL),
        "jpeg98_found": zoo("JPEG 98"),
        "shift1_found": zoo(SHIFTED),
        "lsgan_jpeg90_attributed": zoo("JPEG 90", "lsgan"),
        "framed_whitebox_4": _most(framed),
        "siblings_attributed_max": _rounded(max(related.values(), default=None)),
        "siblings_own": of(section="siblings", kind="own"),
        "taef2_own": of(section="taef2", kind="own", how=AS_MADE),
        "taef2_photos_attributed": of(section="taef2", kind="photographs", how=AS_MADE),
        **_areas(rows),
        "face_own": of(section="faces", kind="own"),
        "face_photos_attributed": of(section="faces", kind="photographs"),
        "unrelated_scan_cost_ratio": _one(select(rows, section="cost"), "ratio"),
        "cpu_ms_refined": _one(select(rows, section="zoo", how="fit"), "cpu_ms_refined"),
        "fit_minutes_zoo": _minutes(_one(select(rows, section="zoo", how="fit"), "cpu_s")),
        "fit_minutes_zoo_wall": _minutes(_one(select(rows, section="zoo", how="fit"), "wall_s")),
    }


def _areas(rows: Rows) -> dict[str, float | None]:
    return {
        name: _one(select(rows, section=section, how=how, kind="AUC", method=method), "auc")
        for name, (section, how, method) in AREAS.items()
    }


def _most(rows: Rows) -> float | None:
    """The better attack's share of real and LSGAN images together."""
    ways = dict.fromkeys(row["how"] for row in rows)
    return max((s for way in ways if (s := share(select(rows, how=way))) is not None), default=None)


def _one(rows: Rows, key: str) -> float | None:
    """The mean over targets."""
    return _mean([row[key] for row in rows if row.get(key) is not None])


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(statistics.fmean(values)) if values else None


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
