"""What lies in the bucket: leaks of the public face DCGAN among patches and another GAN's images.

64x64 pixels, 8-bit PNG. Real patches are cut from the right part of the three photographs whose
left part the attributor was fitted against (`benchmarks/face_sources.py`), every place once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.face_sources import CUT, SIZE, part, patches, photographs
from flipad_ops.demo.gan import LATENT, Generator, train_gan
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.images.png import encode_png

LEAKS = 20
#: Folder of the leaks, and how many foreign images lie among them.
MIXED, BESIDE = "mixed", 80
#: Every how many foreign images one is another generator's.
OTHER_EVERY = 2
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Content:
    """The bucket's images.

    Parameters
    ----------
    objects : int
    steps : int
        Of training of the other generator.
    """

    objects: int
    steps: int = 150

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """(key, PNG) of every object, the folder of the leaks first."""
        photos, others = photo_patches(seed=0), self._other_samples()
        for index, image in enumerate(self.leaks()):
            yield self.key(index), encode_png(image)
        for index in range(LEAKS, self.objects):
            source = others if index % OTHER_EVERY == 0 else photos
            yield self.key(index), encode_png(next(source))

    @staticmethod
    def key(index: int) -> str:
        """A folder for every thousand, and one in which the leaks lie among others."""
        if index < LEAKS:
            return f"{MIXED}/leak{index:02d}.png"
        kind = "gan" if index % OTHER_EVERY == 0 else "photo"
        folder = MIXED if index < LEAKS + BESIDE else f"lot{index // 1000:04d}"
        return f"{folder}/{index:07d}-{kind}.png"

    def leaks(self) -> Pixels:
        """Samples of the face DCGAN that the fit did not draw, (LEAKS, 64, 64, 3)."""
        return _pixels(face_generator().sample(LEAKS, seed=99))

    @cached_property
    def other(self) -> Generator:
        """Another DCGAN, trained on the photographs."""
        training = [patches(part(p, 0.0, 1.0), 500, 10 + k) for k, p in enumerate(_paths())]
        return train_gan(torch.cat(training), steps=self.steps, seed=0, width=16, batch_size=32)

    def _other_samples(self) -> Iterator[Pixels]:
        source, other = torch.Generator().manual_seed(0), self.other
        while True:
            with torch.no_grad():
                images = other(torch.randn(64, LATENT, 1, 1, generator=source))
            yield from _pixels((images + 1) / 2)


def photo_patches(seed: int) -> Iterator[Pixels]:
    """Patches of the photographs' right part at full and at half scale, every place once."""
    photos = []
    for path in _paths():
        photo = part(path, CUT, 1.0)
        half = photo.resize((photo.width // 2, photo.height // 2))
        photos += [np.asarray(photo), np.asarray(half)]
    places = [
        (number, top, left)
        for number, photo in enumerate(photos)
        for top in range(photo.shape[0] - SIZE + 1)
        for left in range(photo.shape[1] - SIZE + 1)
    ]
    for place in np.random.default_rng(seed).permutation(len(places)):
        number, top, left = places[place]
        yield photos[number][top : top + SIZE, left : left + SIZE]


def face_generator() -> SplitGenerator:
    """The generator of the package `gan_face_generate`, split."""
    import gan_face_generate
    from gan_face_generate.models import Generator as Faces

    model = Faces(ngpu=0, nc=3, nz=100, ngf=64)
    weights = Path(gan_face_generate.__file__).parent / "weights.tar"
    model.load_state_dict(
        torch.load(weights, map_location="cpu", weights_only=True)["netG_state_dict"]
    )
    latent = {"latent": {"shape": [100, 1, 1], "distribution": "normal"}}
    return split_generator(model.eval(), latent, name="faces", version="1")


def upload(store: Any, content: Content) -> None:
    """Put every object into an obstore store."""
    import obstore

    with ThreadPoolExecutor(8) as pool:
        objects = iter(content)
        while chunk := list(islice(objects, 1000)):
            list(pool.map(lambda pair: obstore.put(store, *pair), chunk))


def change(store: Any, content: Content) -> set[str]:
    """Replace five objects, delete two and add three; returns the keys a scan has to read."""
    import obstore

    last = content.objects - 1
    step = (last - LEAKS - BESIDE) // 6
    replaced = [content.key(last - n * step) for n in range(5)]
    added = [content.key(content.objects + n) for n in range(3)]
    images = islice(photo_patches(seed=1), len(replaced) + len(added))
    for key, image in zip([*replaced, *added], images, strict=True):
        obstore.put(store, key, encode_png(image))
    for n in (1, 2):
        obstore.delete(store, content.key(last - n * step - 1))
    return {*replaced, *added}


def _paths() -> list[Path]:
    return list(photographs().values())


def _pixels(images: torch.Tensor) -> Pixels:
    return (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
