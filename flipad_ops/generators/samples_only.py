"""Own samples in place of a model: a vendor's generator of which nothing but its images is at hand.

There is no final layer to invert. In place of a recovered activation stands what can be seen of the
image itself: its pixels (RawPAD) and the logarithm of its cosine transform (DCTPAD), as channels of
one "activation", from which the layer gets the image back by leaving the second half out. So all
that follows works on the same data, and the layer's kind, "seen", says that nothing was inverted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators.layer import FinalLayer, tensor_bytes
from flipad_ops.generators.output import OutputMap

#: Added to a coefficient's size before the logarithm, in units of the output range.
FLOOR = 1e-3
#: Samples smaller than this on a side show no spectrum.
MIN_SIDE = 8
PIXELS = OutputMap("identity", -1.0, 1.0)


def seen_layer(samples: Tensor) -> FinalLayer:
    """The layer that stands for (n, channels, height, width) own samples.

    Its "weight" is a fingerprint of the samples, (32,), so that two sets of them are two layers.

    Raises
    ------
    NotAttributable
        Samples that are no images of 8 pixels a side.
    """
    if samples.dim() != 4 or min(samples.shape[2:]) < MIN_SIDE:
        raise NotAttributable(
            f"Samples of shape {list(samples.shape[1:])} are no images of at least "
            f"{MIN_SIDE}x{MIN_SIDE} pixels.",
            remedy="Register images; a table's generator needs its weights",
        )
    channels, height, width = samples.shape[1:]
    digest = hashlib.sha256(tensor_bytes(samples)).digest()
    return FinalLayer(
        kind="seen",
        weight=torch.tensor(list(digest), dtype=torch.float32),
        bias=None,
        input_shape=(2 * channels, height, width),
        output_shape=(channels, height, width),
    )


def look(output: Tensor) -> Tensor:
    """What is seen of images (n, channels, height, width) in [-1, 1]: (n, 2 channels, height,
    width) float32, each image by itself."""
    rows, columns = (_dct(side, output.device) for side in output.shape[2:])
    spectrum = torch.einsum("ij,ncjk,lk->ncil", rows, output.double(), columns)
    return torch.cat([output.float(), (spectrum.abs() + FLOOR).log().float()], dim=1)


def check_samples(samples: Tensor, metadata: Mapping[str, Any] | None) -> None:
    """Refuse what a set of samples cannot be described by."""
    if "columns" in (metadata or {}):
        raise NotAttributable("Samples in place of a model must be images, not rows of a table.")
    if len(samples) < 2:
        raise NotAttributable(f"{len(samples)} samples are too few.")


def _dct(side: int, device: torch.device) -> Tensor:
    """The orthonormal DCT-II, (side, side) float64."""
    k = torch.arange(side, dtype=torch.float64, device=device)
    basis = torch.cos(torch.pi * k[:, None] * (2 * k[None] + 1) / (2 * side))
    basis *= (2 / side) ** 0.5
    basis[0] /= 2**0.5
    return basis
