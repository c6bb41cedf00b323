"""A scorer with a second witness that is small and real: its generator enlarges small pictures.

An image is "made" where a quarter of its pixels, enlarged again, gives it within 30 dB, as it is or
after JPEG 70. The first witness is `DarkIsOurs`; bright images are not asked about.
"""

from __future__ import annotations

import io
import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.attribution.testimony import Testimony, Witnesses, pack_latent
from flipad_ops.samples.png import to_uint8
from tests.scanning.fakes import DarkIsOurs

THRESHOLD_DB, QUALITY, ASKED = 30.0, 70, 0.4


class Enlarger(DarkIsOurs):
    """Attributes what it can make again."""

    def __init__(self, shape: tuple[int, int, int] = (3, 8, 8), name: str = "dark") -> None:
        super().__init__(shape, name=name)
        self.card = replace(
            self.card,
            remade_own=tuple(np.linspace(0.2, 0.95, 40).tolist()),
            remade_null={"photos": tuple(np.linspace(1.5, 9.0, 60).tolist())},
            second_witness="The second witness makes each image again.",
        )

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        batch, started = super().score(pixels, residual), time.perf_counter()
        said = tuple(
            self.say(image, bool(ours)) if score < ASKED else None
            for image, ours, score in zip(pixels, batch.attributed, batch.score, strict=True)
        )
        asked = [one for one in said if one is not None]
        cost = {"views": (len(pixels), 0.0), "remake": (len(asked), time.perf_counter() - started)}
        accepted = np.array([s is not None and s.witnesses in ("both", "second") for s in said])
        return replace(batch, attributed=accepted, testimony=said, stages=cost)

    def say(self, image: Tensor, first: bool) -> Testimony:
        latent = avg_pool2d(image, 2)
        choices = [self._psnr(image, latent, alteration) for alteration in ({}, {"jpeg": QUALITY})]
        psnr, alteration = max(choices, key=lambda choice: choice[0])
        ratio = 10 ** ((THRESHOLD_DB - psnr) / 20)
        text, sha256 = pack_latent(latent)
        words: tuple[Witnesses, ...] = ("neither", "second", "first", "both")
        return Testimony(
            ratio=ratio, psnr=psnr, relative=psnr - 20, alteration=alteration,
            words=f"JPEG {QUALITY}" if alteration else "as made",
            latent=text if ratio <= 1 else "", latent_shape=tuple(latent.shape),
            latent_sha256=sha256, converged=True, steps=1, own_farther=0.25, foreign_nearer=0.0,
            witnesses=words[2 * first + (ratio <= 1)],
        )  # fmt: skip

    def show(self, testimony: Testimony) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        made = to_uint8(enlarged(testimony.latents()))
        return made, altered(made, int(testimony.alteration.get("jpeg", 0)))

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        psnr, _ = self._psnr(pixels, testimony.latents(), dict(testimony.alteration))
        return psnr

    @staticmethod
    def _psnr(
        image: Tensor, latent: Tensor, alteration: dict[str, int]
    ) -> tuple[float, dict[str, int]]:
        made = altered(to_uint8(enlarged(latent)), alteration.get("jpeg", 0))
        error = (made.astype(float) - to_uint8(image).astype(float)) ** 2
        return float(20 * np.log10(255) - 10 * np.log10(error.mean() + 1e-3)), alteration


def enlarged(latent: Tensor) -> Tensor:
    """The generator: (3, h, w) to (3, 2 h, 2 w)."""
    return interpolate(latent[None], scale_factor=2, mode="nearest")[0].clamp(0, 1)


def altered(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """(h, w, 3) after JPEG of a quality; 0 for none."""
    if not quality:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def own_picture(seed: int, size: int = 8, brightness: float = 0.1) -> NDArray[np.uint8]:
    """(size, size, 3): what the generator makes of a random latent of a mean brightness."""
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, max(1, size // 8), max(1, size // 8), generator=noise)
    latent = interpolate(coarse, size=(size // 2, size // 2), mode="bicubic")[0].clamp(0, 1)
    return to_uint8(enlarged(latent * brightness / latent.mean()))


def noisy_picture(seed: int, size: int = 8, brightness: float = 0.1) -> NDArray[np.uint8]:
    """(size, size, 3): of the same brightness, and not of the generator's making."""
    noise = np.random.default_rng(seed).uniform(0, 2 * brightness, (size, size, 3))
    return (noise * 255).astype(np.uint8)
