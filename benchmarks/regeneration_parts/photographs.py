"""Patches of real photographs of distinct origin, the same origin never in two parts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.regeneration_parts.folders import kept
from benchmarks.regeneration_parts.photograph_sources import Picture, pictures

Part = Literal["fit", "unseen"]

#: Longest side of what is kept; at most half of the original, so that its compression, sharpening
#: and demosaicing are averaged away, but never under SHORT pixels at the short side.
LONG, SHORT = 1280, 256
#: A patch shows so many times its own size of the kept picture, drawn log-uniformly.
CLOSEST, FARTHEST = 1.0, 6.0
#: Side of the thumbnails that are compared, and the correlation from which two are one picture.
_THUMBNAIL, _ALIKE = 12, 0.97


@dataclass(frozen=True)
class Photograph:
    """A photograph as it is kept on disk.

    Parameters
    ----------
    origin : str
        "package/name" of the scene; distinct scenes have distinct origins.
    path : Path
        PNG, 8-bit RGB (grey ones have three equal channels).
    """

    origin: str
    path: Path


@cache
def photographs() -> tuple[Photograph, ...]:
    """One of each origin, the largest; sorted by origin.

    The first call on a machine reads every file (a minute); later ones what it kept.
    """
    folder = kept("photographs")
    scenes: dict[str, list[Picture]] = {}
    for picture in pictures():
        scenes.setdefault(picture.scene, []).append(picture)
    made = []
    for scene, same in sorted(scenes.items()):
        path = folder / f"{scene.replace('/', '--')}.png"
        if not path.exists():
            # Two benchmarks may begin on a new machine side by side.
            part = path.with_suffix(f".{os.getpid()}")
            _reduced(max(same, key=_pixels)).save(part, "PNG")
            part.replace(path)
        made.append(Photograph(scene, path))
    return tuple(distinct(made))


def distinct(found: list[Photograph]) -> list[Photograph]:
    """Without near-duplicates: of pictures whose thumbnails correlate, the largest stays."""
    by_size = sorted(found, key=lambda photo: (-_size(photo.path), photo.origin))
    chosen: list[tuple[Photograph, NDArray[np.float64]]] = []
    for photo in by_size:
        small = _thumbnail(photo.path)
        if all(float(small @ other) < _ALIKE for _, other in chosen):
            chosen.append((photo, small))
    return sorted((photo for photo, _ in chosen), key=lambda photo: photo.origin)


def part_of(origin: str) -> Part:
    """By a hash of the name: the same on every machine, whatever else is installed."""
    return "fit" if hashlib.sha256(origin.encode()).digest()[0] % 2 else "unseen"


def origins(part: Part) -> list[str]:
    """The origins of a part that are here."""
    return [photo.origin for photo in photographs() if part_of(photo.origin) == part]


def patches(
    size: int, per_origin: int, seed: int, part: Part, limit: int | None = None, start: int = 0
) -> tuple[Tensor, list[str]]:
    """Square patches, each downscaled by a factor of its own and half of them mirrored.

    The first patch of each origin comes first, then the second of each, so the first n of a part of
    at least n origins are of distinct origin. The order of origins is drawn with `seed`.

    Parameters
    ----------
    size : int
        At most SHORT.
    limit, start : int
        Only so many origins, from a place in the drawn order: `start=0, limit=40` and
        `start=40, limit=40` have none in common.

    Returns
    -------
    images : Tensor, float32, (n, 3, size, size) in [0, 1] on the 8-bit grid
    origins : list of str, of length n
    """
    chosen = [photo for photo in photographs() if part_of(photo.origin) == part]
    order = np.random.default_rng(seed).permutation(len(chosen))
    chosen = [chosen[int(index)] for index in order][start:][:limit]
    drawn = [_patches(photo, size, per_origin, seed) for photo in chosen]
    if not drawn:
        return torch.zeros(0, 3, size, size), []
    arrays = np.stack(drawn, axis=1).reshape(-1, size, size, 3)
    images = torch.from_numpy(arrays).permute(0, 3, 1, 2).float() / 255
    return images.contiguous(), [photo.origin for photo in chosen] * per_origin


def _patches(photo: Photograph, size: int, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, size, size, 3)."""
    own = int.from_bytes(hashlib.sha256(photo.origin.encode()).digest()[:4], "big")
    source = np.random.default_rng([seed, own])
    made = []
    with Image.open(photo.path) as image:
        farthest = min(FARTHEST, min(image.size) / size)
        for _ in range(count):
            factor = CLOSEST * (farthest / CLOSEST) ** source.random()
            side = min(max(size, round(factor * size)), *image.size)
            left, top = (int(source.integers(whole - side + 1)) for whole in image.size)
            box = (left, top, left + side, top + side)
            patch = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box))
            made.append(patch[:, ::-1] if source.random() < 0.5 else patch)
    return np.stack(made)


def _pixels(picture: Picture) -> int:
    with picture.open() as image:
        return image.width * image.height


def _reduced(picture: Picture) -> Image.Image:
    with picture.open() as opened:
        shortest, longest = min(opened.size), max(opened.size)
        scale = min(1.0, max(min(0.5, LONG / longest), SHORT / shortest))
        sides = [max(SHORT, round(scale * side)) for side in opened.size]
        opened.draft("RGB", (2 * sides[0], 2 * sides[1]))
        whole = opened.convert("RGB")
    return whole.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)


def _size(path: Path) -> int:
    with Image.open(path) as image:
        return image.width * image.height


def _thumbnail(path: Path) -> NDArray[np.float64]:
    """Grey, of zero mean and unit length, flattened."""
    with Image.open(path) as image:
        small = image.convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    flat = np.asarray(small, dtype=np.float64).ravel()
    flat -= flat.mean()
    length = float(np.linalg.norm(flat))
    return flat / length if length else flat
