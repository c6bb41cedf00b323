"""Builders shared by the tests: layers from modules, images from sparse activations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap, default_output_map, quantise

TANH = default_output_map("tanh")


def layer_of(module: nn.Module, input_shape: tuple[int, ...]) -> FinalLayer:
    """The FinalLayer of a torch module."""
    module.requires_grad_(False)
    output_shape = tuple(module(torch.zeros(1, *input_shape)).shape[1:])
    if isinstance(module, nn.Linear):
        return FinalLayer("linear", module.weight, module.bias, input_shape, output_shape)
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    kind = "conv2d" if isinstance(module, nn.Conv2d) else "conv_transpose2d"
    return FinalLayer(
        kind, module.weight, module.bias, input_shape, output_shape,
        stride=module.stride, padding=module.padding, dilation=module.dilation,
        output_padding=module.output_padding, groups=module.groups,
    )  # fmt: skip


CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "dcgan": (nn.ConvTranspose2d(8, 3, 4, 2, 1), (8, 8, 8)),
    "same": (nn.Conv2d(16, 3, 3, 1, 1), (16, 12, 12)),
    "strided": (nn.Conv2d(8, 3, 5, 2, 2), (8, 15, 16)),
    "unread-rows": (nn.Conv2d(4, 2, 3, 3, 0), (4, 11, 13)),
    "grouped": (nn.Conv2d(8, 4, 3, 2, 1, groups=2), (8, 10, 9)),
    "dilated": (nn.Conv2d(8, 3, 3, 1, 2, dilation=2), (8, 12, 12)),
    "pointwise": (nn.Conv2d(32, 3, 1), (32, 8, 8)),
    "output-padding": (nn.ConvTranspose2d(4, 2, 3, 2, 1, output_padding=1), (4, 6, 7)),
    "unequal": (nn.ConvTranspose2d(4, 2, (5, 3), (3, 1), (1, 0), dilation=(1, 2)), (4, 6, 7)),
    "gaps": (nn.ConvTranspose2d(6, 2, 2, 3, 0, output_padding=2), (6, 5, 5)),
    "grouped-transposed": (nn.ConvTranspose2d(6, 4, 4, 2, 1, groups=2), (6, 5, 6)),
    "linear": (nn.Linear(100, 11), (100,)),
}


def case(name: str) -> FinalLayer:
    """The named layer with fixed weights."""
    module, shape = CASES[name]
    torch.manual_seed(sum(map(ord, name)))
    for parameter in module.parameters():
        parameter.requires_grad_(False).uniform_(-0.3, 0.3)
    return layer_of(module, shape)


@dataclass
class Images:
    """8-bit images of sparse activations."""

    pixels: Tensor
    z: Tensor


def images(layer: FinalLayer, count: int, output_map: OutputMap = TANH, seed: int = 1) -> Images:
    """`count` images in [0, 1] that the layer can explain sparsely."""
    random = torch.Generator().manual_seed(seed)
    shape = (count, *layer.input_shape)
    z = 2 * torch.randn(shape, generator=random)
    z = z * (torch.rand(shape, generator=random) < 0.1)
    return Images(quantise(output_map.to_pixels(output_map.activate(layer(z)))), z)
