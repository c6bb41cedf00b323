"""Where the benchmark's images come from: a generator to find, photographs, another generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.regeneration_parts.photographs import origins, part_of, patches, photographs
from benchmarks.scan_parts import photo_parts
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.demo.gan import LATENT, Generator, train_gan
from flipad_ops.demo.photos import photo_patches
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.inversion import InversionSettings

Pixels = NDArray[np.uint8]
#: Photographs that patches to scan are cut from, at most, and their longest side.
SCANNED, LONGEST = 24, 480


class Source(Protocol):
    """Images of `size` pixels a side, and what a fit needs; the fit never sees a scanned image."""

    name: str
    size: int

    @property
    def own(self) -> SplitGenerator:
        """The generator whose images are leaks."""
        ...

    @property
    def other(self) -> Generator:
        """Another one, unknown to the fit."""
        ...

    def photographs(self) -> list[Pixels]:
        """Real images, to cut patches from."""
        ...

    def negatives(self) -> dict[str, ForeignImages]:
        """Foreign images for the fit."""
        ...

    def settings(self) -> FitSettings:
        """Of the fit."""
        ...


class Faces:
    """64x64: the public face DCGAN of the package `gan_face_generate`, as in docs/face-dcgan.md."""

    name, size = "faces", photo_parts.SIZE

    def __init__(self, steps: int = 150) -> None:
        self.steps = steps

    @cached_property
    def own(self) -> SplitGenerator:
        """The package's weights."""
        import gan_face_generate
        from gan_face_generate.models import Generator as FaceGenerator

        model = FaceGenerator(ngpu=0, nc=3, nz=100, ngf=64)
        weights = Path(gan_face_generate.__file__).parent / "weights.tar"
        saved = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(saved["netG_state_dict"])
        latent = {"latent": {"shape": [100, 1, 1], "distribution": "normal"}}
        return split_generator(model.eval(), latent, name="faces", version="1")

    @cached_property
    def other(self) -> Generator:
        """A DCGAN trained on three photographs."""
        whole = [Image.open(p).convert("RGB") for p in photo_parts.photographs().values()]
        training = [photo_parts.patches(p, 500, 10 + k) for k, p in enumerate(whole)]
        return train_gan(torch.cat(training), steps=self.steps, seed=0, width=16, batch_size=32)

    def photographs(self) -> list[Pixels]:
        """Of origins that no fit sees."""
        return _scanned()

    def negatives(self) -> dict[str, ForeignImages]:
        """Patches of the others."""
        return {"photos": _photo_negatives(990, self.size)}

    def settings(self) -> FitSettings:
        """The recipe of the docs page."""
        return recipe("fast")


class Small:
    """16x16: a barely trained DCGAN, so that very many objects can be scanned in minutes."""

    name, size = "small", 16

    @cached_property
    def own(self) -> SplitGenerator:
        """Trained on the photographs' strip for generators."""
        metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
        return split_generator(self._gan(30, seed=0), metadata, name="small", version="1")

    @cached_property
    def other(self) -> Generator:
        """The same architecture from another seed, trained for longer."""
        return self._gan(60, seed=1)

    def photographs(self) -> list[Pixels]:
        """Of origins that no fit sees."""
        return _scanned()

    def negatives(self) -> dict[str, ForeignImages]:
        """Patches of the others, and a sibling as a registry would hold it."""
        metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
        sibling = split_generator(self._gan(45, seed=2), metadata)
        return {
            "photos": _photo_negatives(500, self.size),
            "sibling": ForeignImages(sibling.sample(300, seed=3), sibling=True),
        }

    def settings(self) -> FitSettings:
        """Few samples and iterations: a generator that has learnt little is slow to invert."""
        sizes = {"own_train": 300, "own_calibration": 200, "own_test": 80, "anchor_samples": 200}
        inversion = InversionSettings(max_iterations=60, tolerance=5e-2)
        return recipe("fast", max_negatives=800, inversion=inversion, **sizes)

    def _gan(self, steps: int, seed: int) -> Generator:
        images = photo_patches("generator", 400, self.size)
        return train_gan(images, steps=steps, seed=seed, width=16)


SOURCES: dict[str, type[Faces] | type[Small]] = {"faces": Faces, "small": Small}


def samples(generator: Generator, seed: int) -> Iterator[Pixels]:
    """Its images without end, (size, size, 3) each."""
    source = torch.Generator().manual_seed(seed)
    while True:
        with torch.no_grad():
            images = generator(torch.randn(64, LATENT, 1, 1, generator=source))
        yield from to_pixels((images + 1) / 2)


def every_place(photos: list[Pixels], size: int, seed: int) -> Iterator[Pixels]:
    """Patches (size, size, 3) in random order, every place once."""
    shapes = [(photo.shape[0] - size + 1, photo.shape[1] - size + 1) for photo in photos]
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    for place in np.random.default_rng(seed).permutation(ends[-1]):
        number = int(np.searchsorted(ends, place, side="right"))
        rows, columns = shapes[number]
        top, left = divmod(int(place - ends[number]) + rows * columns, columns)
        yield photos[number][top : top + size, left : left + size]


def to_pixels(images: torch.Tensor) -> Pixels:
    """(n, 3, h, w) in [0, 1] to uint8 (n, h, w, 3)."""
    return (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _photo_negatives(count: int, size: int) -> ForeignImages:
    """As many of each origin of part "fit"; what is called rests on how many origins there are."""
    per_origin = math.ceil(count / max(len(origins("fit")), 1))
    images, names = patches(size, per_origin, 20, "fit")
    return ForeignImages(images[:count], names[:count])


def _scanned() -> list[Pixels]:
    """Photographs of part "unseen", reduced so that memory holds all their places."""
    chosen = [photo for photo in photographs() if part_of(photo.origin) == "unseen"][:SCANNED]
    images = [Image.open(photo.path).convert("RGB") for photo in chosen]
    for image in images:
        image.thumbnail((LONGEST, LONGEST))
    return _at_two_scales(images)


def _at_two_scales(photos: list[Image.Image]) -> list[Pixels]:
    halves = [photo.resize((photo.width // 2, photo.height // 2)) for photo in photos]
    return [np.asarray(photo) for photo in (*photos, *halves)]
