"""What happened to a found image, as parameters and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from flipad_ops.regeneration.remade_batch import Remade

#: What is too small to be told: log zoom, pixels, pixels of blur, grey levels.
ZOOM, SHIFT, BLUR, NOISE = 0.015, 0.3, 0.25, 0.7


def alteration_of(remade: Remade, row: int, taps: Tensor | None, quality: int) -> dict[str, Any]:
    """JSON-able parameters of one image.

    Parameters
    ----------
    taps : Tensor or None, float32, (side, side)
        The filter, where the image was searched with one.
    quality : int
        Of the JPEG file that shows in the pixels; 0 for none.

    Returns
    -------
    dict
        zoom (log), down, right, side (pixels) and filter, where they were searched; jpeg; and
        otherwise noise, what is left over in grey levels. Empty for an image as made.
    """
    done: dict[str, Any] = {}
    if taps is not None:
        zoom, down, right = remade.where[row].tolist()
        done = {"zoom": zoom, "down": down, "right": right, "side": int(remade.side[row])}
        done["filter"] = taps.cpu().tolist()
    if quality:
        return {**done, "jpeg": quality}
    level = 255 * math.sqrt(10 ** (float(remade.distance[row]) / 10))
    return {**done, "noise": round(level, 2)} if level > NOISE else done


def words(done: Mapping[str, Any]) -> str:
    """The same for people."""
    said = []
    if "filter" in done:
        if abs(done["zoom"]) > ZOOM:
            share = math.exp(-done["zoom"])
            said.append(
                f"cropped to {share:.0%} of its sides"
                if share < 1
                else f"scaled down to {1 / share:.0%}"
            )
        elif max(abs(done["down"]), abs(done["right"])) > SHIFT:
            said.append(f"moved by {done['right']:.1f} and {done['down']:.1f} pixels")
        if done["side"]:
            said.append(f"resized to {done['side']} pixels and back")
        width = _width(done["filter"])
        if width > BLUR:
            said.append(f"blurred by {width:.1f} pixels")
    if "jpeg" in done:
        said.append(f"JPEG {done['jpeg']}")
    whole = ", ".join(said) or "as made"
    return f"{whole}, to within {done['noise']:.1f} grey levels" if "noise" in done else whole


def _width(taps: list[list[float]]) -> float:
    """Standard deviation of a filter along one axis, in pixels."""
    middle = len(taps) // 2
    total = sum(map(sum, taps)) or 1.0
    second = sum(
        tap * ((row - middle) ** 2 + (column - middle) ** 2)
        for row, line in enumerate(taps)
        for column, tap in enumerate(line)
    )
    return math.sqrt(max(0.0, second / total / 2))
