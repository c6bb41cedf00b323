"""The remade image on the page and the difference: a second witness's with its place among others,
or one for the eye alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import AttributorCard
from flipad_ops.samples.png import thumbnail_uri
from flipad_ops.scanning.decisions.witnesses import altered
from flipad_ops.scanning.outcome.exhibit import Exhibit

#: Longest side of a picture; larger images are shrunk to it.
SIDE = 256
#: By how much differences are amplified; grey levels beyond 255 are shown as 255.
AMPLIFIED = 8
#: Who accepts a finding.
WHO = {
    "both": "both witnesses accept it",
    "second": "accepted by the remade image alone",
    "first": "accepted by the last layer's input alone",
    "neither": "accepted by neither witness alone",
}
WIDTH, ROW, MARGIN, AXIS, BINS = 240, 26, 6, 16, 60


def remade(exhibit: Exhibit, card: AttributorCard) -> dict[str, Any] | None:
    """What the template shows of a finding's testimony; None where there is none."""
    said = exhibit.finding.row.testimony
    if said is None:
        return None
    return {
        **_pair(exhibit.pixels, exhibit.remade),
        "altered": altered(said),
        "who": WHO[said.witnesses],
        "said": said,
        "chart": strip(card.remade_own, _all(card), said.ratio),
    }


def likeness(exhibit: Exhibit) -> dict[str, Any] | None:
    """The same of what is shown for the eye alone."""
    one = exhibit.likeness
    if one is None:
        return None
    return {**_pair(exhibit.pixels, one.pixels), "psnr": one.psnr, "own": one.own}


def nearness(shown: Mapping[str, Any]) -> tuple[int, float]:
    """An order of what the template shows: the nearest by a second witness first, then those for
    the eye."""
    if shown["remade"]:
        return 0, shown["remade"]["said"].ratio
    return (1, -shown["likeness"]["psnr"]) if shown["likeness"] else (2, 0.0)


def _pair(found: NDArray[np.uint8], again: NDArray[np.uint8] | None) -> dict[str, Any]:
    apart = None
    if again is not None and found.shape == again.shape:
        apart = thumbnail_uri(difference(found, again), SIDE)
    image = None if again is None else thumbnail_uri(again, SIDE)
    return {"image": image, "difference": apart, "amplified": AMPLIFIED}


def difference(found: NDArray[np.uint8], again: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Absolute difference of two images, (height, width, channels), amplified."""
    apart = np.abs(found.astype(np.int32) - again.astype(np.int32)) * AMPLIFIED
    return np.asarray(np.minimum(apart, 255), dtype=np.uint8)


def strip(own: Sequence[float], foreign: Sequence[float], here: float) -> Markup:
    """Own calibration images over foreign ones by distance, with the threshold and this image.

    The axis is logarithmic, in units of the threshold; each row is as high as its fullest bin.
    """
    values = [_logs(part) for part in (own, foreign)]
    if not any(len(part) for part in values):
        return Markup("")
    place = float(_logs([here])[0])
    everything = np.concatenate([*values, [place, 0.0]])
    low, high = float(everything.min()) - 0.05, float(everything.max()) + 0.05

    def x(value: float) -> str:
        return f"{MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low):.1f}"

    edges, body, height = np.linspace(low, high, BINS + 1), "", 2 * ROW + AXIS
    for number, (name, part) in enumerate(zip(("own", "foreign"), values, strict=True)):
        counts = np.histogram(part, edges)[0]
        base, most = (number + 1) * ROW, max(1, int(counts.max()))
        points = [f"{x(edges[0])},{base}"]
        for index, count in enumerate(counts):
            top = f"{base - (ROW - 4) * int(count) / most:.1f}"
            points += [f"{x(edges[index])},{top}", f"{x(edges[index + 1])},{top}"]
        points.append(f"{x(edges[-1])},{base}")
        body += (
            f'<polygon class="series {name}" points="{" ".join(points)}">'
            f"<title>{name}, calibration (n = {len(part)})</title></polygon>"
        )
    body += _line("cut", x(0.0), height - AXIS) + _line("here", x(place), height - AXIS)
    ticks = sorted({math.ceil(low), 0, math.floor(high)} & set(range(-9, 10)))
    for tick in ticks:
        if low <= tick <= high:
            # Words at either end stay within.
            share = (tick - low) / (high - low)
            anchor = "start" if share < 0.1 else "end" if share > 0.9 else "middle"
            words = f"{10.0**tick:g}"
            body += f'<text x="{x(tick)}" y="{height - 4}" text-anchor="{anchor}">{words}</text>'
    label = "distance of the remade image in units of its threshold"
    return Markup(  # noqa: S704  # numbers and our own words
        f'<svg class="strip" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f"{body}</svg>"
    )


def _line(css: str, x: str, bottom: int) -> str:
    return f'<line class="{css}" x1="{x}" x2="{x}" y1="2" y2="{bottom}"/>'


def _logs(values: Sequence[float]) -> NDArray[np.float64]:
    finite = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=1e9)
    return np.log10(np.clip(finite, 1e-3, 1e6))


def _all(card: AttributorCard) -> list[float]:
    return [ratio for ratios in card.remade_null.values() for ratio in ratios]
