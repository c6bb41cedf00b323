"""Images around the public face DCGAN: photographs to fit against, and foreign images to scan.

    python benchmarks/face_sources.py --out .

writes, all 64x64 and 8-bit PNG unless said otherwise:

    photos/            one photograph (china.jpg, scikit-learn), whole, as negatives for the fit
    found/photos/      patches of two other photographs (flower.jpg, scikit-learn; a portrait that
                       Matplotlib ships), never seen by the fit
    found/other-gan/   samples of another generator, a DCGAN trained here on those photographs
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets
import torch
from PIL import Image
from torch import Tensor

from flipad_ops.demo.gan import LATENT, train_gan
from flipad_ops.images.png import save_png

SIZE = 64


def photographs() -> dict[str, Path]:
    """Real photographs that dependencies ship."""
    bundled = Path(sklearn.datasets.__file__).parent / "images"
    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return {
        "china": bundled / "china.jpg",
        "flower": bundled / "flower.jpg",
        "portrait": portrait,
    }


def patches(path: Path, count: int, seed: int) -> Tensor:
    """(count, 3, 64, 64) in [0, 1]: random places, at full and at half scale in turn."""
    photo = Image.open(path).convert("RGB")
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
    shutil.copy(paths["china"], options.out / "photos" / "china.jpg")
    unseen = [
        patches(paths[name], options.count // 2, options.seed + k)
        for k, name in enumerate(("flower", "portrait"))
    ]
    for index, image in enumerate(torch.cat(unseen)):
        save_png(image, options.out / "found" / "photos" / f"{index:04d}.png")
    sys.stderr.write("training another generator\n")
    training = torch.cat([patches(paths[name], 500, 10 + k) for k, name in enumerate(paths)])
    other = train_gan(training, steps=options.steps, seed=options.seed, width=16, batch_size=32)
    with torch.no_grad():
        source = torch.Generator().manual_seed(options.seed)
        images = other(torch.randn(options.count, LATENT, 1, 1, generator=source))
    for index, image in enumerate((images + 1) / 2):
        save_png(image, options.out / "found" / "other-gan" / f"{index:04d}.png")


if __name__ == "__main__":
    main()
