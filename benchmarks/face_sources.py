"""Images around the public face DCGAN: photographs to fit against, and foreign images to scan.

    python benchmarks/face_sources.py --out .

writes, all 64x64 and 8-bit PNG unless said otherwise:

    photos/            the left 60% of three photographs (two that scikit-learn ships and a
                       portrait that Matplotlib ships), whole, as negatives for the fit
    found/photos/      patches of the right 40% of the same photographs, never seen by the fit
    found/other-gan/   samples of another generator, a DCGAN trained here on those photographs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets
import torch
from PIL import Image
from torch import Tensor

from flipad_ops.demo.gan import LATENT, train_gan
from flipad_ops.samples.png import save_png

SIZE = 64
#: Where a photograph is cut: negatives to the left, images to scan to the right.
CUT = 0.6


def photographs() -> dict[str, Path]:
    """Real photographs that dependencies ship."""
    bundled = Path(sklearn.datasets.__file__).parent / "images"
    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return {
        "china": bundled / "china.jpg",
        "flower": bundled / "flower.jpg",
        "portrait": portrait,
    }


def part(path: Path, start: float, stop: float) -> Image.Image:
    """The columns of a photograph between two fractions of its width."""
    photo = Image.open(path).convert("RGB")
    return photo.crop((round(start * photo.width), 0, round(stop * photo.width), photo.height))


def patches(photo: Image.Image, count: int, seed: int) -> Tensor:
    """(count, 3, 64, 64) in [0, 1]: random places, at full and at half scale in turn."""
    half = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
    source = np.random.default_rng(seed)
    found = []
    for index in range(count):
        array = np.asarray((photo, half)[index % 2])
        top, left = (int(source.integers(side - SIZE + 1)) for side in array.shape[:2])
        found.append(array[top : top + SIZE, left : left + SIZE])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255


def main() -> None:
    """Write the three folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--count", type=int, default=200, help="images of each foreign kind")
    parser.add_argument("--steps", type=int, default=150, help="training steps of the other GAN")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    paths = photographs()
    (options.out / "photos").mkdir(parents=True, exist_ok=True)
    unseen = []
    for index, (name, path) in enumerate(paths.items()):
        part(path, 0.0, CUT).save(options.out / "photos" / f"{name}.png")
        unseen.append(patches(part(path, CUT, 1.0), options.count, options.seed + index))
    # One of each photograph in turn, so that any count holds all three.
    mixed = torch.stack(unseen, dim=1).flatten(0, 1)[: options.count]
    for index, image in enumerate(mixed):
        save_png(image, options.out / "found" / "photos" / f"{index:04d}.png")
    sys.stderr.write("training another generator\n")
    training = torch.cat(
        [patches(part(path, 0.0, 1.0), 500, 10 + k) for k, path in enumerate(paths.values())]
    )
    other = train_gan(training, steps=options.steps, seed=options.seed, width=16, batch_size=32)
    with torch.no_grad():
        source = torch.Generator().manual_seed(options.seed)
        images = other(torch.randn(options.count, LATENT, 1, 1, generator=source))
    for index, image in enumerate((images + 1) / 2):
        save_png(image, options.out / "found" / "other-gan" / f"{index:04d}.png")


if __name__ == "__main__":
    main()
