"""Real photographs that Python packages ship: some for the fit, others for the scan.

Every photograph is an origin of its own; none serves both purposes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from flipad_ops.common.errors import UsageError
from flipad_ops.demo.published import package_folder

#: Where a package keeps them.
_FOLDERS = {
    "skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data",
}  # fmt: skip
#: What a fit is given, by package; grey ones get three equal channels.
FOR_FIT = {
    "skimage": "brick camera grass gravel hubble_deep_field moon motorcycle_left retina rocket",
    "sklearn": "china",
    "matplotlib": "grace_hopper",
}
#: What is scanned: a portrait, a cat, a cup, coins, a flower.
FOR_SCAN = {"skimage": "astronaut chelsea coffee coins", "sklearn": "flower"}
#: Which files of negatives are of one photograph: a fit never splits them.
ORIGIN = "^[a-z_]+"
#: A patch shows so many times its own size of the photograph, drawn log-uniformly.
CLOSEST, FARTHEST = 1.0, 4.0


def photographs(names: dict[str, str]) -> dict[str, Image.Image]:
    """RGB images by name.

    Raises
    ------
    UsageError
        A package or a file of it is missing.
    """
    found = {}
    for package, wanted in names.items():
        folder = package_folder(package) / _FOLDERS[package]
        for name in wanted.split():
            found[name] = Image.open(_file(folder, name)).convert("RGB")
    return found


def write_negatives(folder: Path, each: int, side: int, seed: int) -> None:
    """`each` patches of every photograph for the fit, as files that ORIGIN groups."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for name, photo in photographs(FOR_FIT).items():
        for number in range(each):
            _patch(photo, side, draw).save(folder / f"{name}-{number:03d}.png")


def scanned_patches(count: int, side: int, seed: int) -> list[Image.Image]:
    """`count` patches of the scan's photographs in turn."""
    draw = np.random.default_rng(seed)
    whole = list(photographs(FOR_SCAN).values())
    return [_patch(whole[number % len(whole)], side, draw) for number in range(count)]


def _patch(photo: Image.Image, side: int, draw: np.random.Generator) -> Image.Image:
    most = min(FARTHEST, min(photo.size) / side)
    shown = round(side * np.exp(draw.uniform(np.log(CLOSEST), np.log(most))))
    left, top = (int(draw.integers(long - shown + 1)) for long in photo.size)
    part = photo.crop((left, top, left + shown, top + shown))
    return part.resize((side, side), Image.Resampling.LANCZOS)


def _file(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}{suffix}" for suffix in (".png", ".jpg")):
        if path.is_file():
            return path
    raise UsageError(f"{folder} lacks the photograph {name}.")
