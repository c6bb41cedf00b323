"""Copies stored at other sizes: how many `--size-rule search` finds, and how many it calls wrongly.

    python -m benchmarks.regeneration_parts.sizes [--count 20]

DCGAN 0 of the zoo, fitted with few images against Fashion-MNIST; its images, unseen real ones and
those of DCGAN 3 are stored alike and read as a scan reads them. Fitting takes minutes of one core.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.zoo.data import SIZE, fashion
from benchmarks.zoo.train import cache_folder, load_split
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from flipad_ops.samples.decode import decode
from flipad_ops.samples.space import SampleSpace

SIZES, CROPS = (16, 20, 24, 28, 40, 48, 64, 128), (28, 26, 24)
FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG"},
    "JPEG 90": {"format": "JPEG", "quality": 90},
}
#: A picture and its number to what is stored.
Store = Callable[[Image.Image, int], Image.Image]


@dataclass(frozen=True)
class SizeRow:
    """One way of storing, one source.

    Parameters
    ----------
    stored, source : str
    count, attributed, first : int
        Images; attributed ones; those that the first witness alone would have attributed.
    p, p_second : float
        Smallest p-value, and that of the second witness alone.
    ratios : tuple of float
        Least, median and largest.
    """

    stored: str
    source: str
    count: int
    attributed: int
    first: int
    p: float
    p_second: float
    ratios: tuple[float, float, float]


def resized(picture: Image.Image, number: int, side: int) -> Image.Image:
    """Bicubic and Lanczos in turn."""
    return picture.resize((side, side), FILTERS[number % 2])


def cropped(picture: Image.Image, number: int, side: int) -> Image.Image:
    """A window at a place that the number decides."""
    left, top = np.random.default_rng(number).integers(0, SIZE - side + 1, 2).tolist()
    return picture.crop((left, top, left + side, top + side))


def ways() -> dict[str, Store]:
    """By name; the first leaves the size alone."""
    sizes = {f"{side}x{side}": partial(resized, side=side) for side in SIZES}
    crops = {f"cut to {side}x{side}": partial(cropped, side=side) for side in CROPS}
    return {"as made": lambda picture, number: picture, **sizes, **crops}


def read_back(images: Tensor, space: SampleSpace, store: Store, options: dict[str, Any]) -> Tensor:
    """(n, 1, SIZE, SIZE) stored and read as a scan with "search" reads them."""
    values = []
    for number, image in enumerate((images * 255).round().byte().numpy()):
        file = io.BytesIO()
        store(Image.fromarray(image[0]), number).save(file, **options)
        data = file.getvalue()
        values.append(space.take(data, decode(data), "search")[0])
    return space.to_tensor(np.stack(values))


def measure(attributor: Attributor, sources: dict[str, Tensor]) -> Iterator[SizeRow]:
    """Rows for each way, format and source.

    Parameters
    ----------
    attributor : Attributor
        Whose second witness speaks.
    sources : mapping of name to Tensor, float32, (n, 1, SIZE, SIZE) in [0, 1]
    """
    second = attributor.second
    assert second is not None
    for way, store in ways().items():
        for form, options in FORMATS.items():
            for source, images in sources.items():
                result = attributor.score(read_back(images, attributor.space, store, options))
                ratio = result.score / attributor.calibration.threshold
                alone = second.p(ratio, np.ones(len(ratio)))
                told = [one for one in result.testimony or () if one is not None]
                first = sum(one.witnesses in ("both", "first") for one in told)
                spread = np.quantile(ratio, (0, 0.5, 1)).tolist()
                yield SizeRow(
                    f"{way}, {form}", source, len(images), int(result.attributed.sum()), first,
                    float(result.p.min()), float(alone.min()), tuple(spread),
                )  # fmt: skip


def fitted() -> Attributor:
    """DCGAN 0's, its generator brought."""
    settings = replace(
        recipe("default"), own_train=400, own_calibration=300, own_test=60, max_negatives=600,
        more_null=0, students=0,
        regeneration=RegenerationSettings(encoder_steps=800, own=100, foreign=40),
    )  # fmt: skip
    generator = load_split("dcgan-0", cache_folder())
    foreign = {"fashion": ForeignImages(fashion("negatives", 600))}
    attributor = fit_attributor(generator, foreign, settings).attributor
    attributor.bring(generator)
    return attributor


def rows(count: int = 20, seed: int = 909) -> Iterator[SizeRow]:
    """Fit and measure `count` images of each source, each way."""
    folder = cache_folder()
    sources = {
        "own": load_split("dcgan-0", folder).sample(count, seed),
        "real": fashion("test", count),
        "dcgan-3": load_split("dcgan-3", folder).sample(count, seed),
    }
    return measure(fitted(), sources)


def main() -> None:
    """One JSON row a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20, help="images of each source, each way")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for row in rows(options.count):
        sys.stdout.write(json.dumps(vars(row)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
