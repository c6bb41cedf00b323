"""The mixed folder that the demo scans."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor, nn

from flipad_ops.demo.photographs import scanned_patches
from flipad_ops.demo.published import SIDE, outputs
from flipad_ops.generators import default_output_map, quantise
from flipad_ops.samples.png import to_image, to_uint8

#: Sub-folders, and how many of the images in each are the generator's own: all or none.
RESIZED = "own-resized"
KINDS = {
    "own-png": "all",
    "own-jpeg": "all",
    RESIZED: "all",
    "other-faces": "none",
    "photographs": "none",
}
OWN = tuple(kind for kind, truth in KINDS.items() if truth == "all")
#: Of JPEG files, and sides of resized images, in turn.
QUALITIES, SIDES = (75, 85, 90, 95), (48, 80, 96, 128)
#: Far from every seed that a fit samples with.
_FOUND_SEED = 987_654


def write_found(folder: Path, own: nn.Module, other: nn.Module, count: int, seed: int) -> None:
    """`count` images of each kind; of what is not the generator's own half are JPEG files.

    Parameters
    ----------
    own, other : nn.Module
        Both get the same latents, so that nothing but the weights tells them apart.
    """
    to_pixels, seed = default_output_map("tanh").to_pixels, _FOUND_SEED + seed

    def made(network: nn.Module, images: int) -> list[Image.Image]:
        return [_image(each) for each in quantise(to_pixels(outputs(network, images, seed)))]

    ours = made(own, 3 * count)
    for number in range(count):
        _save(ours[number], folder / "own-png", number, 0)
        quality = QUALITIES[number % len(QUALITIES)]
        _save(ours[count + number], folder / "own-jpeg", number, quality)
        side = SIDES[number % len(SIDES)]
        resized = ours[2 * count + number].resize((side, side), Image.Resampling.LANCZOS)
        _save(resized, folder / RESIZED, number, 0)
    patches = scanned_patches(count, SIDE, seed)
    for kind, images in (("other-faces", made(other, count)), ("photographs", patches)):
        for number, image in enumerate(images):
            quality = QUALITIES[number // 2 % len(QUALITIES)] if number % 2 else 0
            _save(image, folder / kind, number, quality)


def _image(pixels: Tensor) -> Image.Image:
    return to_image(to_uint8(pixels))


def _save(image: Image.Image, folder: Path, number: int, quality: int) -> None:
    """As JPEG of a quality, or as PNG for 0."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:03d}{'.jpg' if quality else '.png'}"
    image.save(path, quality=quality) if quality else image.save(path)
