"""The nearest image that a generator makes, for the eye."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flipad_ops.attribution import likeness
from flipad_ops.attribution.likeness import Illustrator, why_no_likeness
from flipad_ops.common.errors import AttributorError
from flipad_ops.generators import SplitGenerator, split_generator
from tests.registry.test_conditions import METADATA, ByClass
from tests.registry.tiny import TinyDcgan, tiny_generator


@pytest.fixture(scope="module")
def tiny() -> SplitGenerator:
    return split_generator(*tiny_generator(seed=1))


def test_own_images_are_nearer_than_others(tiny: SplitGenerator) -> None:
    own = tiny.sample(5, seed=11)
    noise = torch.rand(own.shape, generator=torch.Generator().manual_seed(0))
    said: list[tuple[int, int]] = []
    found = Illustrator(tiny)(torch.cat([own, noise]), lambda *done: said.append(done))
    assert min(each.psnr for each in found[:5]) > 25
    assert max(each.psnr for each in found[5:]) < 15
    assert {each.own for each in found} == {found[0].own}
    assert found[0].own > 25
    assert found[0].pixels.shape == (16, 16, 3)
    assert found[0].pixels.dtype == "uint8"
    apart = torch.from_numpy(found[5].pixels).permute(2, 0, 1) / 255 - noise[0]
    assert -10 * float(apart.square().mean().log10()) == pytest.approx(found[5].psnr, abs=0.1)
    assert said == [(0, 18), (8, 18), (16, 18), (18, 18)]


def test_the_same_image_gives_the_same_likeness(tiny: SplitGenerator) -> None:
    own = tiny.sample(1, seed=11)
    (first,), (second,) = Illustrator(tiny)(own), Illustrator(tiny)(own)
    assert (first.psnr, first.own) == (second.psnr, second.own)
    assert (first.pixels == second.pixels).all()


def test_a_generator_that_is_told_a_class_is_tried_with_each() -> None:
    generator = split_generator(ByClass().eval(), METADATA)
    found = Illustrator(generator)(generator.sample(6, seed=11))
    assert min(each.psnr for each in found) > 25


class Autoencoder(TinyDcgan):
    """Knows a way back, which the search begins at."""

    asked = 0

    def encode(self, images: Tensor) -> Tensor:
        type(self).asked += 1
        return images.mean(dim=(2, 3)).repeat(1, 3)[:, :8, None, None]


def test_a_models_own_encoder_is_asked() -> None:
    generator = split_generator(Autoencoder(), {"latent": {"shape": [8, 1, 1]}})
    before = Autoencoder.asked
    (found,) = Illustrator(generator)(generator.sample(1, seed=3))
    assert Autoencoder.asked > before
    assert found.psnr > 10


COLUMNS = [{"name": name, "low": -9, "high": 9, "step": 0.01} for name in "abcdef"]


class Blocked(TinyDcgan):
    def forward(self, latents: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(latents)


@pytest.mark.parametrize(
    ("module", "metadata", "why"),
    [
        (Blocked(), {"latent": {"shape": [8, 1, 1]}}, "No gradient reaches the latents"),
        (
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6)),
            {"latent": {"shape": [4]}, "columns": COLUMNS},
            "Only grey and colour images",
        ),
    ],
    ids=["no gradient", "rows of a table"],
)
def test_why_not(module: nn.Module, metadata: dict[str, Any], why: str) -> None:
    generator = split_generator(module, metadata)
    assert why in why_no_likeness(generator)
    with pytest.raises(AttributorError, match=why):
        Illustrator(generator)


def test_a_search_that_would_take_too_long_is_not_begun(
    tiny: SplitGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "MINUTES", 0)
    with pytest.raises(AttributorError, match=r"take about 0 minutes on cpu, more than 0\."):
        Illustrator(tiny)(tiny.sample(1, seed=0))
