"""Share attributed against the size of a perturbation, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.frame.figures import drawn

_PASSIVE = ("JPEG quality", "noise, sigma in grey levels", "blur, sigma in pixels")


def select(rows: Sequence[dict[str, Any]], **wanted: str) -> list[dict[str, Any]]:
    """The rows whose fields are as wanted."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def write_plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Above what anyone can do, below what takes the weights: evasion, then framing."""
    with drawn(path, "adversaries", 2, 3, figsize=(11, 6), sharey=True) as axes:
        for axis, how in zip(axes[0], _PASSIVE, strict=True):
            for kind, style in (("own", "o-"), ("real", "x:"), ("lsgan-0", "^:")):
                found = select(rows, section="passive", detector="default", kind=kind, how=how)
                _curve(axis, found, style, kind)
            axis.set_xlabel(how)
        for axis, kind in zip(axes[1], ("own", "real", "lsgan-0"), strict=True):
            for detector in ("default", "deepsad alone"):
                found = select(
                    rows, section="gradient", detector=detector, kind=kind, how="white box"
                )
                _curve(axis, found, "o-", detector)
            if kind != "own":
                _curve(axis, select(rows, section="lossy", kind=kind), "s--", "default, as JPEG 96")
            axis.set_xlabel(f"{kind}: white box, radius in grey levels")
        for axis in axes[:, 0]:
            axis.set_ylabel("attributed, %")
        for axis in (axes[0][0], axes[1][1]):
            if axis.get_legend_handles_labels()[0]:
                axis.legend(fontsize="x-small")
        for axis in axes.flat:
            axis.set_ylim(-3, 103)
            axis.grid(alpha=0.3)


def _curve(axis: Axes, rows: Sequence[dict[str, Any]], style: str, label: str) -> None:
    if rows:
        shares = [100 * row["attributed"] for row in rows]
        axis.plot([row["strength"] for row in rows], shares, style, label=label, markersize=4)
