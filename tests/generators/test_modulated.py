"""Last layers that a style modulates, with and without a skip image, are found by running."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.skip import STYLEGAN2, WAYS, Way
from tests.generators.toys import export

#: Random weights leave open what is black and white.
METADATA = {"latent": {"shape": [6]}, "output_range": [-1, 1]}


class Rgb(nn.Module):
    """StyleGAN2's toRGB: a modulated 1x1 convolution without normalisation, and a bias.

    `fused` puts the style into weights grouped by sample, otherwise it scales the features.
    """

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.weight, self.style = nn.Parameter(torch.randn(3, 8, 1, 1)), nn.Linear(6, 8)
        self.bias, self.fused = nn.Parameter(torch.randn(3, 1, 1)), fused

    def forward(self, h: Tensor, latent: Tensor) -> Tensor:
        style, n = 0.1 * (self.style(latent) + 1), h.shape[0]
        if not self.fused:
            return F.conv2d(h * style[:, :, None, None], self.weight) + self.bias
        weight = (self.weight[None] * style[:, None, :, None, None]).flatten(0, 1)
        made = F.conv2d(h.reshape(1, n * 8, *h.shape[2:]), weight, groups=n)
        return made.reshape(n, 3, *h.shape[2:]) + self.bias


class Skip(nn.Module):
    """Two resolutions, 8x8 and 16x16; with `skip` the first's image is upsampled and added."""

    def __init__(
        self, fused: bool = True, skip: bool = True, activation: nn.Module | None = None,
        upsample: Callable[[Tensor], Tensor] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.start, self.conv = nn.Linear(6, 8 * 64), nn.Conv2d(8, 8, 3, padding=1)
            self.first, self.second = Rgb(fused), Rgb(fused)
        self.skip, self.activation = skip, activation or nn.Identity()
        block = STYLEGAN2.block(3, (8, 8))
        self.upsample = upsample or block

    def forward(self, latent: Tensor) -> Tensor:
        h = F.leaky_relu(self.start(latent).reshape(-1, 8, 8, 8), 0.2)
        small = self.first(h, latent)
        h = F.leaky_relu(self.conv(F.interpolate(h, scale_factor=2)), 0.2)
        made = self.second(h, latent)
        if self.skip:
            made = made + self.upsample(small)
        return self.activation(made)


def assert_exact(split: SplitGenerator, module: Callable[[Tensor], Tensor]) -> None:
    """Activations of latents the split has not seen give the generator's output."""
    latents = split.latent.sample(5, seed=9)
    output, joint = split.run(latents)
    again = split.output_map.activate(split.layer(joint))
    torch.testing.assert_close(again, output, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(output, module(latents), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("activation", ["identity", "tanh"])
def test_skip_image_is_found(fused: bool, activation: str) -> None:
    module = Skip(fused, activation=nn.Tanh() if activation == "tanh" else None).eval()
    split = split_generator(module, METADATA)
    assert split.output_map.activation == activation
    assert split.layer.skip is not None
    assert split.layer.skip.name == str(STYLEGAN2)
    assert split.layer.input_shape == (11, 16, 16)
    assert split.layer.alone().input_shape == (8, 16, 16)
    assert_exact(split, module)


def test_w_is_the_layers_own_up_to_the_style() -> None:
    module = Skip().eval()
    weight = split_generator(module, METADATA).layer.weight
    own = module.second.weight.detach()
    own = own / own.norm(dim=0, keepdim=True)
    torch.testing.assert_close((own * weight).sum(dim=0).abs(), torch.ones(8, 1, 1))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_upsampling_that_is_known(way: Way) -> None:
    block = way.block(3, (8, 8))
    module = Skip(upsample=block).eval()
    split = split_generator(module, METADATA)
    assert split.layer.skip is not None
    torch.testing.assert_close(split.layer.skip.rows, block.rows)
    assert_exact(split, module)


@pytest.mark.parametrize("base", ["bilinear", "bicubic", "nearest"])
def test_torchs_own_interpolation(base: str) -> None:
    module = Skip(upsample=nn.Upsample(scale_factor=2, mode=base)).eval()
    split = split_generator(module, METADATA)
    assert split.layer.skip is not None
    assert split.layer.skip.name == base


@pytest.mark.parametrize("fused", [True, False])
def test_modulated_layer_without_a_skip_image(fused: bool) -> None:
    module = Skip(fused, skip=False).eval()
    split = split_generator(module, METADATA)
    assert split.layer.skip is None
    assert split.layer.input_shape == (8, 16, 16)
    assert_exact(split, module)


@pytest.mark.parametrize("batch", ["dynamic", "one"])
def test_exported(batch: str) -> None:
    module = Skip().eval()
    program = export(module, batch, (6,))
    split = split_generator(program, METADATA, batched=batch == "dynamic")
    plain = split_generator(module, METADATA)
    assert split.layer.skip is not None
    torch.testing.assert_close(split.layer.weight, plain.layer.weight)
    assert_exact(split, module)


def test_hash_tells_skips_and_seeds_apart() -> None:
    def layer_hash(module: nn.Module) -> str:
        return split_generator(module.eval(), METADATA).layer.sha256()

    same, again = layer_hash(Skip()), layer_hash(Skip())
    assert same == again
    nearest = layer_hash(Skip(upsample=nn.Upsample(scale_factor=2)))
    others = {same, nearest, layer_hash(Skip(skip=False)), layer_hash(Skip(seed=1))}
    assert len(others) == 4


@pytest.mark.parametrize(
    "upsample",
    [
        lambda s: F.interpolate(s, scale_factor=2) ** 2,
        lambda s: F.conv2d(F.interpolate(s, scale_factor=2), torch.ones(3, 3, 1, 1)),
    ],
    ids=["not linear", "mixes channels"],
)
def test_other_sums_are_refused(upsample: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotAttributable):
        split_generator(Skip(upsample=upsample).eval(), METADATA)
