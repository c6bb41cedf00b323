"""What is fitted and inverted: networks with seeded weights, as a lent machine has no files."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.demo.gan import Generator
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap, default_output_map

LATENT = 64


def network(seed: int, size: int = 32, channels: int = 1, width: int = 32) -> nn.Module:
    """A DCGAN as it is before its training; batch statistics of its own samples."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Generator(size=size, channels=channels, width=width, latent=LATENT)
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 2 / parameter[0].numel() ** 0.5)
            made.train()
            for _ in range(20):
                made(torch.randn(64, LATENT, 1, 1))
    return made.eval().requires_grad_(False)


def split(seed: int, device: str, **kind: int) -> SplitGenerator:
    """The same behind its metadata, on `device`."""
    metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
    made = network(seed, **kind).to(device)
    return split_generator(made, metadata, name=f"dcgan-{seed}", version="1", device=device)


def samples(seed: int, count: int, **kind: int) -> Tensor:
    """8-bit images (count, channels, size, size) on the CPU."""
    return split(seed, "cpu", **kind).sample(count, 1).cpu()


def foreign(count: int, **kind: int) -> dict[str, ForeignImages]:
    """Another seed's images, and smooth noise."""
    others = samples(1, count, **kind)
    noise = torch.rand(count, *others.shape[1:], generator=torch.Generator().manual_seed(3))
    smooth = nn.functional.avg_pool2d(noise, 5, 1, 2)
    return {
        "sibling": ForeignImages(others, sibling=True),
        "smooth": ForeignImages(quantise(smooth)),
    }


def small(name: str, share: float) -> FitSettings:
    """A recipe with `share` of its images; the paper's has a tenth of them at most."""
    settings = recipe(name)
    share *= 0.1 if name == "paper" else 1.0
    names = ("own_train", "own_calibration", "own_test", "anchor_samples", "max_negatives")
    counts = {key: max(60, round(share * getattr(settings, key))) for key in names}
    few = recipe(name, **counts, min_negatives=24, more_null=0, students=min(settings.students, 1))
    whole, less = settings.regeneration, min(1.0, share)
    search = replace(
        whole,
        encoder_steps=round(less * whole.encoder_steps),
        first_steps=max(4, round(less**0.5 * whole.first_steps)),
        steps=max(4, round(less**0.5 * whole.steps)),
        own=max(20, round(less * whole.own)),
        foreign=max(12, round(less * whole.foreign)),
    )
    return replace(few, regeneration=search)


def layers(side: int) -> dict[str, tuple[FinalLayer, OutputMap, Tensor, Tensor]]:
    """By name: layer, output map, anchor, and 8-bit pixels (64, *output_shape).

    The face DCGAN's, an SD-like one at `side`, a 1x1 and a Linear one.
    """
    draw, found = torch.Generator().manual_seed(5), {}

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw) / (shape[1] ** 0.5)

    kinds = {
        "transposed 4x4, 64->3, 64x64": FinalLayer(
            "conv_transpose2d", weight(64, 3, 4, 4) / 4, None, (64, 32, 32), (3, 64, 64),
            stride=(2, 2), padding=(1, 1),
        ),
        f"3x3, 128->3, {side}x{side}": FinalLayer(
            "conv2d", weight(3, 128, 3, 3) / 3, None, (128, side, side), (3, side, side),
            padding=(1, 1),
        ),
        "1x1, 64->3, 64x64": FinalLayer(
            "conv2d", weight(3, 64, 1, 1), None, (64, 64, 64), (3, 64, 64)
        ),
        "linear, 1024->784": FinalLayer("linear", weight(784, 1024), None, (1024,), (784,)),
    }  # fmt: skip
    output_map = default_output_map("tanh")
    for name, layer in kinds.items():
        shape = layer.input_shape
        anchor = torch.relu(torch.randn(shape, generator=draw))
        z = torch.relu(anchor + 0.3 * torch.randn((64, *shape), generator=draw))
        pixels = quantise(output_map.to_pixels(torch.tanh(layer(z))))
        found[name] = (layer, output_map, anchor, pixels)
    return found
