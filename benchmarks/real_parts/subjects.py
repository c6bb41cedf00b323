"""Real generators of others: what a fit is given, and images of its own and of siblings to test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.real_parts.compact_upscaler import compact_upscaler
from benchmarks.real_parts.conditional_wgan import conditional_wgan
from benchmarks.regeneration_parts.faces import face_dcgan, other_face_dcgan
from benchmarks.regeneration_parts.field import Field, Row
from benchmarks.regeneration_parts.photo_fits import (
    TEST_OWN,
    own_photographs,
    photo_settings,
    with_detail,
)
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.upscalers import Upscaling, esrgan_slim
from benchmarks.zoo.data import fashion
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.generators import SplitGenerator, quantise, split_generator

SIZE, SEED = 64, 717_171
#: Own training samples; own and foreign calibration images of the second witness: two fifths of the
#: default's, and a fifth where a search takes seconds.
MANY, FEWER = (600, 120, 60), (400, 60, 24)
_UNSEEN = "unseen"
CLOTHES = "Fashion-MNIST"
#: Kinds that no generator made.
REAL = ("photographs", CLOTHES)

Images = Mapping[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """One generator.

    Parameters
    ----------
    settings : callable
        Of its fit.
    generator : callable
        With the inputs that it is to be fitted on.
    tested : callable
        Own images and those of siblings, so many of each, and facts about them; none that a fit
        saw, and own inputs of photographs that no fit saw.
    """

    settings: Callable[[Field], FitSettings]
    generator: Callable[[FitSettings], SplitGenerator]
    tested: Callable[[int], tuple[Images, Mapping[str, Row]]]


def grey(images: Tensor) -> Tensor:
    """(n, 3, height, width) to one channel, on the 8-bit grid."""
    return quantise(images.mean(dim=1, keepdim=True))


def photographs(part: Any, shape: tuple[int, ...], each: int, seed: int) -> ForeignImages:
    """Patches of real photographs in the shape (channels, height, width) of a sample."""
    images, names = patches(max(shape[1:]), each, seed, part)
    if tuple(images.shape[2:]) != shape[1:]:
        images = quantise(F.interpolate(images, shape[1:], mode="area"))
    return ForeignImages(grey(images) if shape[0] == 1 else images, names)


def _many(field: Field) -> FitSettings:
    return photo_settings(field, *MANY)


def _fewer(field: Field) -> FitSettings:
    return photo_settings(field, *FEWER)


def _drawn(
    made: Callable[[], SplitGenerator], others: Mapping[str, Callable[[int], Tensor]]
) -> Subject:
    def tested(count: int) -> tuple[Images, Mapping[str, Row]]:
        others_images = {name: each(count) for name, each in others.items()}
        return {"own": made().sample(count, SEED), **others_images}, {}

    return Subject(_many, lambda settings: made(), tested)


def _clothes(count: int) -> Tensor:
    """Real images in the format of the digits: light on black, 28x28."""
    return fashion("test", count)[:, :, 2:-2, 2:-2]


def _wgan() -> SplitGenerator:
    metadata = {"latent": {"shape": [10]}, "inputs": ["latent", {"classes": 10}]}
    return split_generator(conditional_wgan(), metadata, name="real", version="1")


def _upscaler(network: Callable[[], nn.Module], side: int) -> Subject:
    """Of photographs of `side` pixels a side; a generator without a word about its range."""

    def generator(settings: FitSettings) -> SplitGenerator:
        inputs = own_photographs(settings, side)
        metadata = {"latent": {"shape": list(inputs.shape[1:]), "distribution": "recorded"}}
        return split_generator(network().eval(), metadata, latents=inputs, name="real", version="1")

    def tested(count: int) -> tuple[Images, Mapping[str, Row]]:
        inputs, names = patches(side, 1, TEST_OWN, _UNSEEN)
        module = network().eval()
        with torch.no_grad():
            made = torch.cat([quantise(module(some)) for some in inputs.split(16)])
        images, facts = with_detail(made, names, count)
        return {"own": images}, {"own": facts}

    return Subject(_fewer, generator, tested)


def _esrgan(factor: int) -> Subject:
    return _upscaler(lambda: Upscaling(esrgan_slim(factor)), SIZE // factor)


SUBJECTS: dict[str, Subject] = {
    "cwgan_mnist": _drawn(_wgan, {CLOTHES: _clothes}),
    "generateme": _drawn(
        other_face_dcgan, {"gan_face_generate": lambda count: face_dcgan().sample(count, SEED)}
    ),
    "realesr_animevideov3 x4": _upscaler(compact_upscaler, SIZE // 4),
    **{f"esrgan_slim x{factor}": _esrgan(factor) for factor in (4, 8, 2)},
}
