"""The rows as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.frame import pages
from benchmarks.regeneration_parts.alterations import ALTERATIONS
from benchmarks.regeneration_parts.field import Row, interval, select
from benchmarks.regeneration_parts.figures import accuracies

TITLES = {
    "zoo": "Small generators with every relative at hand",
    "zoo_few": "The same, calibrated with a fifth of the images",
    "siblings": "Real upscalers: siblings that no fit saw",
    "taef2": "The small FLUX.2 autoencoder at 64x64",
    "taef2_256": "The same at 256x256",
    "taef2_512": "One image at 512x512",
    "faces": "A public face generator",
    "cost": "What a scan of other people's images costs",
    "whitebox": "White box: both witnesses at once",
}
_HEAD = """# Making images again

Written by `{command}` on {machine}. How each section is
measured: docs/regeneration.md. Counts are of images attributed by the product's own decision; in
brackets the 95% interval of the share by Clopper and Pearson, which takes images for independent:
where photographs are involved, "origins" says of how many scenes they are. "Without": the first
witness alone, the same attributor without its generator. Seconds of CPU and of the clock:
{seconds}. Budgets: {budgets}.

![Accuracy by alteration](regeneration.svg)
"""
_NOTES = {
    "zoo": "Accuracy: half the share of own images found plus half the share of foreign ones "
    "refused, both altered alike, over all targets together; with the second witness, and without.",
    "zoo_few": "As a fit does it that has not the time for all: 60 own images each way, and 24 of "
    "each foreign source.",
    "siblings": "Fitted with photographs alone as foreign images.",
    "taef2": "Own: decoded latents of photographs of origins that no fit saw; foreign: other "
    "patches of those. The AUC's interval is a bootstrap over images.",
    "taef2_512": "The distance alone, for the time and the memory that it takes.",
    "taef2_256": "The distance alone, of few images, searched shortly: a fit takes a CPU hours.",
    "faces": '"other training": somebody else\'s weights of the same architecture.',
    "cost": "CPU seconds of pairs of scans in one process, in turn; the median of their ratios.",
    "whitebox": "The attack alternates between the product's search and steps of gradient; see "
    "`benchmarks/regeneration_parts/joint_attack.py`. Levels bound the change of every pixel.",
}


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    seconds = {name: f"{cpu} and {clock}" for name, (cpu, clock) in result["seconds"].items()}
    said = {"seconds": pages.listed(seconds), "budgets": pages.listed(result["budgets"])}
    lines = [_HEAD.format(**{**result, **said}), "## Summary", ""]
    lines += pages.bullets(result["summary"])
    for section, title in TITLES.items():
        rows = select(result["rows"], section=section)
        if not rows:
            continue
        lines += ["", f"## {title}", "", _NOTES[section]]
        fits = [row for row in rows if row["how"] == "fit"]
        if section in ("zoo", "zoo_few"):
            lines += ["", *accuracy_table(rows, section)]
        if fits:
            lines += ["", *(_fit(row) for row in fits)]
        if any("attributed" in row for row in rows):
            lines += ["", *verdict_table(rows)]
        lines += distance_table(rows)
        areas = [row for row in rows if "auc" in row]
        if areas:
            cells = [
                [row["how"], row["method"], f"{row['auc']:.3f}",
                 "{:.3f} to {:.3f}".format(*row["auc_95"])]
                for row in areas
            ]  # fmt: skip
            lines += ["", *pages.table(("altered", "score", "AUC", "95%"), cells)]
    return pages.text(lines)


def accuracy_table(rows: Sequence[Row], section: str = "zoo") -> list[str]:
    """Alterations down, kinds across, with the second witness and without."""
    counts = ("attributed", "without_second")
    found = {
        how: [accuracies(rows, how, count, section) for count in counts] for how in ALTERATIONS
    }
    kinds = list(dict.fromkeys(kind for both, _ in found.values() for kind in both))
    cells = [
        [how, *(f"{_percent(both[kind])} ({_percent(alone[kind])})" for kind in kinds)]
        for how, (both, alone) in found.items()
        if both
    ]
    return pages.table(["accuracy, %", *kinds], cells)


def verdict_table(rows: Sequence[Row]) -> list[str]:
    """One line a cell."""
    cells = [
        [row["target"], row.get("kind", "-"), row["how"], row.get("levels", "-"), row["images"],
         row.get("origins", "-"), _counted(row, "attributed"), _counted(row, "without_second")]
        for row in rows
        if "attributed" in row
    ]  # fmt: skip
    head = ("target", "images of", "how", "levels", "images", "origins", "attributed", "without")
    return pages.table(head, cells)


def distance_table(rows: Sequence[Row]) -> list[str]:
    """Of searches without a fit."""
    cells = [
        [row["kind"].removesuffix(", dB"), row["how"], row["images"], f"{row['median']:.1f}",
         f"{row['cpu_s_an_image']:.1f}", row.get("peak_mib", "-")]
        for row in rows
        if "median" in row
    ]  # fmt: skip
    head = ("images of", "how", "images", "median, dB", "CPU s an image", "peak, MiB")
    return ["", *pages.table(head, cells)] if cells else []


def _counted(row: Row, key: str) -> str:
    if key not in row:
        return "-"
    low, high = (100 * end for end in interval(row[key], row["images"]))
    return f"{row[key]} ({low:.0f}% to {high:.0f}%)"


def _fit(row: Row) -> str:
    minutes = f"{row['cpu_s'] / 60:.1f} CPU minutes, {row['wall_s'] / 60:.1f} by the clock"
    return f"- fit of {row['target']}: {minutes}; seconds by stage: {pages.listed(row['stages_s'])}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
