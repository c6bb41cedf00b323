"""The rows as a Markdown page, and the few figures that the docs quote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.adversary_parts.judge import cells
from benchmarks.adversary_parts.plot import select
from benchmarks.frame import pages

Rows = Sequence[dict[str, Any]]
TITLES = {
    "passive": "What anyone can do: files, noise, blur, geometry, other networks",
    "gradient": "White box: gradients through the whole score",
    "lossy": "White box, by way of the view for lossy files",
    "queries": "Black box: score queries",
    "resynthesis": "Foreign images made anew by the generator",
}
_HEAD = """# Adversaries

Written by `{command}` on {machine}. Target: the Fashion-MNIST zoo's
{target}, fitted by the default recipe, with real images and two sibling versions as foreign
ones ({fit}). One target, one seed. "own" are held-out samples of the target, "real" the last images
of Fashion-MNIST's test file, "lsgan-0" samples of a generator that no fit
has seen, trained on the same data as the target.

Every image was rounded to 8 bits, saved as PNG, read and scored as scans do. Attributed: score at
or below the calibrated threshold, in brackets Wilson's 95% interval; score: median over the
threshold, 1 is the decision; p: median, its floor is about 0.0005; PSNR against the unaltered
image; "change": the largest of a pixel in grey levels. CPU seconds: {seconds}.

![Share attributed against strength](adversaries.svg)
"""
_NOTES = {
    "passive": "Own images evade where the share falls; foreign ones are framed where it rises.",
    "gradient": "Adam on the product's own inversion, unrolled (exact values and gradients), and "
    "on each detector's own views; at most 40 steps a radius, each radius starting from what the "
    "last one found. An attacker is content at 4 times the threshold (evasion) or half of it "
    "(framing) and stops. Radii below one grey level are rounded away. "
    '"deepsad alone" is the default\'s DeepSAD on the activation without fusion, at its own '
    "threshold for the same FNR.",
    "lossy": "The radius bounds the change before the file is written.",
    "queries": "Random squares of one or two grey levels, kept where the score moves the right "
    "way, within 8 grey levels.",
    "resynthesis": "Nothing is optimised against the detector here.",
}
_COLUMNS = (
    "images of", "detector", "how", "strength", "attributed", "score", "p", "PSNR", "change",
)  # fmt: skip


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    said = {"fit": pages.listed(result["fit"]), "seconds": pages.listed(result["cpu_s"])}
    lines = [_HEAD.format(**{**result, **said}), "## Summary", ""]
    lines += pages.bullets(result["summary"])
    for section, title in TITLES.items():
        rows = select(result["rows"], section=section)
        if not rows:
            continue
        counts = sorted({row["images"] for row in rows})
        note = f"{_NOTES[section]} Images of a kind: {', '.join(map(str, counts))}."
        texts = [
            [*(row[key] for key in ("kind", "detector", "how", "strength")),
             *cells(row).values(), row["largest_change"]]
            for row in rows
        ]  # fmt: skip
        lines += ["", f"## {title}", "", note, "", *pages.table(_COLUMNS, texts)]
    return pages.text(lines)


def summarise(rows: Rows) -> dict[str, float | None]:
    """Flat: shares of images attributed; None for what was not measured."""

    def share(**wanted: str) -> float | None:
        found = select(rows, **wanted)
        return found[0]["attributed"] if len(found) == 1 else None

    def passive(kind: str, how: str, strength: str) -> float | None:
        return share(section="passive", detector="default", kind=kind, how=how, strength=strength)

    def white(kind: str, radius: int, detector: str = "default") -> float | None:
        return share(section="gradient", detector=detector, kind=kind, how="white box",
                     strength=str(radius))  # fmt: skip

    def coded(kind: str) -> list[float]:
        wanted = {"section": "passive", "detector": "default", "kind": kind}
        return [row["attributed"] for row in select(rows, **wanted, how="a small autoencoder")]

    return {
        "own_unaltered": passive("own", "none", "0"),
        "own_noise_1": passive("own", "noise, sigma in grey levels", "1"),
        "own_white_box_1": white("own", 1),
        "own_white_box_1_deepsad_alone": white("own", 1, "deepsad alone"),
        "own_queries_100": share(section="queries", kind="own", strength="100"),
        **{
            f"{kind.replace('-', '')}_{name}": value
            for kind in ("real", "lsgan-0")
            for name, value in {
                "unaltered": passive(kind, "none", "0"),
                "jpeg_90": passive(kind, "JPEG quality", "90"),
                "autoencoders_least": min(coded(kind), default=None),
                "autoencoders_most": max(coded(kind), default=None),
                "white_box_1": white(kind, 1),
                "white_box_4": white(kind, 4),
                "white_box_4_deepsad_alone": white(kind, 4, "deepsad alone"),
                "queries_2000": share(section="queries", kind=kind, strength="2000"),
                "final_layer": share(section="resynthesis", kind=kind, how="final layer"),
                "nearest_own": share(section="resynthesis", kind=kind, how="whole generator"),
            }.items()
        },
    }
