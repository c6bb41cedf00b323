"""Public face DCGANs, 64x64: two of one architecture, each trained by somebody else.

`gan_face_generate` 1.1.1 (MIT, synthetic faces) is the one that docs/face-dcgan.md registers;
`generateme` 0.1.2 (MIT, photographs of faces) has the same layers and other weights. `make demo`
and `make test` install both.
"""

from __future__ import annotations

from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.demo.published import LATENTS, other_generator, own_generator, require
from flipad_ops.generators import SplitGenerator, split_generator


def face_dcgan() -> SplitGenerator:
    """gan_face_generate's.

    Raises
    ------
    FileNotFoundError
        The package is not installed.
    """
    _look()
    return _split(own_generator(), "gan_face_generate")


def other_face_dcgan() -> SplitGenerator:
    """generateme's; raises as `face_dcgan`."""
    _look()
    return _split(other_generator(), "generateme")


def _look() -> None:
    try:
        require()
    except UsageError as error:
        raise FileNotFoundError(str(error)) from error


def _split(network: nn.Module, name: str) -> SplitGenerator:
    metadata = {"latent": {"shape": list(LATENTS.shape)}}
    return split_generator(network.eval().requires_grad_(False), metadata, name=name, version="1")
