"""Histograms as inline SVG, coloured by CSS classes so that they follow the page's theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34


@dataclass(frozen=True)
class Series:
    """Values drawn as one histogram; `css` is the class that colours it."""

    name: str
    values: Sequence[float] | NDArray[np.float64]
    css: str


def score_histogram(series: Sequence[Series], threshold: float) -> Markup:
    """Densities of several sets of scores on a logarithmic axis, with the threshold."""
    logs = {s.name: np.log10(np.maximum(np.asarray(s.values, float), 1e-6)) for s in series}
    filled = [values for values in logs.values() if len(values)]
    if not filled:
        return Markup("")
    cut = math.log10(max(threshold, 1e-6))
    low = min(cut, *(float(v.min()) for v in filled)) - 0.1
    high = max(cut, *(float(v.max()) for v in filled)) + 0.1
    ticks = {f"{10.0**t:g}": float(t) for t in _ticks(low, high)}
    marks = [f'<line class="cut" x1="{_x(cut, low, high):.1f}" x2="{_x(cut, low, high):.1f}" '
             f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>']  # fmt: skip
    return _histogram(series, logs, (low, high), ticks, marks, "score (log scale)")


def p_histogram(values: Sequence[float] | NDArray[np.float64]) -> Markup:
    """Histogram of p-values on [0, 1]: flat when nothing is ours."""
    if not len(values):
        return Markup("")
    series = [Series("p-values", values, "scan")]
    ticks = {f"{t:g}": t for t in (0.0, 0.25, 0.5, 0.75, 1.0)}
    logs = {"p-values": np.asarray(values, float)}
    return _histogram(series, logs, (0.0, 1.0), ticks, [], "p-value of “not ours”", bins=20)


def _histogram(
    series: Sequence[Series],
    values: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    span: tuple[float, float],
    ticks: Mapping[str, float],
    marks: Sequence[str],
    caption: str,
    bins: int = 60,
) -> Markup:
    low, high = span
    edges = np.linspace(low, high, bins + 1)
    parts = []
    for one in series:
        data = values[one.name]
        if not len(data):
            continue
        share = np.histogram(data, edges)[0] / len(data)
        parts.append((one, share))
    top = max((float(share.max()) for _, share in parts), default=1.0) or 1.0
    body = []
    for one, share in parts:
        points = []
        for index, value in enumerate(share):
            y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * float(value) / top
            points += [
                f"{_x(float(edges[index]), low, high):.1f},{y:.1f}",
                f"{_x(float(edges[index + 1]), low, high):.1f},{y:.1f}",
            ]
        base = HEIGHT - BOTTOM
        ends = f"{WIDTH - RIGHT},{base} {LEFT},{base}"
        title = f"{escape(one.name)} (n = {len(one.values)})"
        body.append(
            f'<polygon class="series {escape(one.css)}" points="{" ".join(points)} {ends}">'
            f"<title>{title}</title></polygon>"
        )
    for text, place in ticks.items():
        x = _x(place, low, high)
        body.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" '
            f'y2="{HEIGHT - BOTTOM + 4}"/><text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{escape(text)}</text>'
        )
    axis = (
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" '
        f'y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{top:.0%}</text>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 2}" text-anchor="middle">'
        f"{escape(caption)}</text>"
    )
    return Markup(  # noqa: S704  # every text in it was escaped above
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">'
        + "".join(body) + axis + "".join(marks) + "</svg>"
    )  # fmt: skip


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / max(high - low, 1e-12)


def _ticks(low: float, high: float) -> list[int]:
    return list(range(math.ceil(low), math.floor(high) + 1))
