"""The demo's image files: negatives for the fits, and the mixed folder that is scanned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from flipad_ops.demo.gan import LATENT, Generator
from flipad_ops.demo.photos import photo_patches, strips
from flipad_ops.generators import LatentSpec, default_output_map, quantise
from flipad_ops.samples.png import save_png

LATENTS = LatentSpec((LATENT, 1, 1))
#: Sub-folders of the scanned folder.
KINDS = ("own", "sibling", "real")
#: Far from every seed that a fit samples with.
_FOUND_SEED = 987_654


def write_negatives(folder: Path, rows: int = 6, columns: int = 3) -> None:
    """The negatives' strips as tiles, so that a fit can hold whole tiles back for its test."""
    for number, strip in enumerate(strips("negatives")):
        for row, band in enumerate(strip.tensor_split(rows, dim=1)):
            for column, tile in enumerate(band.tensor_split(columns, dim=2)):
                save_png(tile, folder / f"photo{number}-{row}-{column}.png")


def write_found(
    folder: Path, generators: Sequence[Generator], count: int, size: int, seed: int
) -> None:
    """`count` 8-bit PNG files in each of own, sibling and real.

    Parameters
    ----------
    folder : Path
    generators : the version under suspicion, then its sibling
        Both get the same latents, so that nothing but the weights tells them apart.
    """
    latents = LATENTS.sample(count, seed=_FOUND_SEED + seed)
    to_pixels = default_output_map("tanh").to_pixels
    with torch.no_grad():
        own, sibling = (quantise(to_pixels(generator(latents))) for generator in generators)
    real = photo_patches("scan", count, size, seed)
    for kind, images in zip(KINDS, (own, sibling, real), strict=True):
        for index, image in enumerate(images):
            save_png(image, folder / kind / f"{index:03d}.png")
