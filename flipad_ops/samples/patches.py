"""Where to cut patches of a wanted size out of larger images, as they are or shrunk first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["choose_places", "shrunk", "shrunk_size"]

Place = tuple[int, int]


def choose_places(
    sizes: Mapping[str, tuple[int, int]],
    patch: tuple[int, int],
    limit: int | None,
    seed: int,
    skipped: list[tuple[str, str]],
) -> dict[str, list[Place]]:
    """Choose (top, left) corners for each image.

    Parameters
    ----------
    sizes : mapping of name to (height, width)
    patch : (height, width)
    limit : int or None
        Wanted number of patches. None gives the grid; fewer than the grid, a seeded draw from
        it; more, the grid and random places weighted by an image's area, all distinct.
    skipped : list
        Receives (name, reason) for images smaller than a patch.

    Returns
    -------
    dict of name to sorted corners, images without any left out
    """
    height, width = patch
    usable = {}
    for name, (have_h, have_w) in sizes.items():
        if have_h < height or have_w < width:
            skipped.append((name, f"{have_w}x{have_h} pixels, smaller than {width}x{height}."))
        else:
            usable[name] = (have_h, have_w)
    grid = [
        (name, (top, left))
        for name, (have_h, have_w) in usable.items()
        for top in range(0, have_h - height + 1, height)
        for left in range(0, have_w - width + 1, width)
    ]
    rng = np.random.default_rng(seed)
    if limit is None:
        chosen = set(grid)
    elif limit <= len(grid):
        chosen = {grid[i] for i in rng.choice(len(grid), size=limit, replace=False)}
    else:
        chosen = set(grid) | _random_places(usable, patch, set(grid), limit - len(grid), rng)
    places: dict[str, list[Place]] = {}
    for name, place in sorted(chosen):
        places.setdefault(name, []).append(place)
    return places


def _random_places(
    usable: Mapping[str, tuple[int, int]],
    patch: tuple[int, int],
    taken: set[tuple[str, Place]],
    wanted: int,
    rng: np.random.Generator,
) -> set[tuple[str, Place]]:
    names = list(usable)
    free = [(usable[n][0] - patch[0] + 1, usable[n][1] - patch[1] + 1) for n in names]
    areas = np.array([rows * cols for rows, cols in free], dtype=float)
    if not names:
        return set()
    wanted = min(wanted, int(areas.sum()) - len(taken))
    new: set[tuple[str, Place]] = set()
    while len(new) < wanted:
        for index in rng.choice(len(names), size=wanted - len(new), p=areas / areas.sum()):
            rows, cols = free[index]
            place = (names[index], (int(rng.integers(rows)), int(rng.integers(cols))))
            if place not in taken:
                new.add(place)
    return new


def shrunk_size(size: tuple[int, int], patch: tuple[int, int], scale: float) -> tuple[int, int]:
    """(height, width) of an image that is shrunk to `scale` patches; of a smaller one its own."""
    times = min(size[0] / patch[0], size[1] / patch[1])
    if not scale or times <= scale:
        return size
    height, width = (
        max(round(have * scale / times), least) for have, least in zip(size, patch, strict=True)
    )
    return height, width


def shrunk(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(height, width, channels) integers, averaged over areas down to (height, width)."""
    if pixels.shape[:2] == size:
        return pixels
    # Pillow resizes 16 bits only as floats, one channel at a time.
    shape = (size[1], size[0])
    planes = [
        np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.BOX))
        for plane in pixels.transpose(2, 0, 1).astype(np.float32)
    ]
    return np.asarray(np.rint(np.stack(planes, axis=2)), dtype=pixels.dtype)
