"""The public face DCGAN's last layer with anchor and 8-bit samples."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import gan_face_generate
import torch
from torch import Tensor, nn

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap, default_output_map, quantise


def generator() -> nn.Sequential:
    """netG of gan_face_generate: features (12 modules), last layer, tanh."""
    widths = (100, 512, 256, 128, 64, 3)
    modules: list[nn.Module] = []
    for index, (first, second) in enumerate(pairwise(widths)):
        stride, padding = (1, 0) if index == 0 else (2, 1)
        modules.append(nn.ConvTranspose2d(first, second, 4, stride, padding, bias=False))
        last = index == len(widths) - 2
        modules += [nn.Tanh()] if last else [nn.BatchNorm2d(second), nn.ReLU(inplace=True)]
    path = Path(gan_face_generate.__file__).parent / "weights.tar"
    state = torch.load(path, map_location="cpu", weights_only=True)["netG_state_dict"]
    network = nn.Sequential(*modules)
    network.load_state_dict({key.split(".", 1)[1]: value for key, value in state.items()})
    return network.eval().requires_grad_(False)


def faces(count: int, seed: int) -> tuple[FinalLayer, OutputMap, Tensor, Tensor]:
    """Layer, output map, anchor (mean of 500 activations) and pixels (count, 3, 64, 64)."""
    network = generator()
    features, last = network[:12], network[12]
    random = torch.Generator().manual_seed(seed)
    draws = [features(torch.randn(100, 100, 1, 1, generator=random)) for _ in range(5)]
    anchor = torch.cat(draws).mean(0)
    layer = FinalLayer(
        "conv_transpose2d", last.weight, None, (64, 32, 32), (3, 64, 64),
        stride=(2, 2), padding=(1, 1),
    )  # fmt: skip
    z = features(torch.randn(count, 100, 1, 1, generator=random))
    output_map = default_output_map("tanh")
    return layer, output_map, anchor, quantise(output_map.to_pixels(torch.tanh(layer(z))))
