"""A generator of several inputs about which metadata says nothing, and what it might say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.generators.conditions import LATENT

#: Classes that a proposal names; only the owner knows how many there are.
PROPOSED = 10


class SeveralInputs(GeneratorUnreadable):
    """It must be told which is the latent, which are classes and which always the same.

    Parameters
    ----------
    inputs : sequence of (str, Tensor)
        Names and examples with a batch dimension, as the program takes them.

    Attributes
    ----------
    proposed : dict
        Metadata that would tell it, to be corrected.
    """

    def __init__(self, inputs: Sequence[tuple[str, Tensor]]) -> None:
        names = ", ".join(
            f"{name} {list(value.shape[1:])} {str(value.dtype).removeprefix('torch.')}"
            for name, value in inputs
        )
        super().__init__(
            f"The exported generator takes {len(inputs)} inputs ({names}), and the metadata does "
            "not tell what each of them is."
        )
        self.proposed = _proposal(inputs)


def _proposal(inputs: Sequence[tuple[str, Tensor]]) -> dict[str, Any]:
    """The first of floats is the latent, whole numbers are classes, all else is constant."""
    stated: list[Any] = []
    latent: dict[str, Any] = {}
    for _, value in inputs:
        shape = [size if isinstance(size, int) else 1 for size in value.shape[1:]]
        if not value.is_floating_point():
            stated.append({"classes": PROPOSED})
        elif not latent:
            latent = {"shape": shape, "distribution": "normal"}
            stated.append(LATENT)
        else:
            stated.append({"constant": 0.0 if not shape else _zeros(shape)})
    return {"latent": latent, "inputs": stated}


def _zeros(shape: list[int]) -> Any:
    return 0.0 if not shape else [_zeros(shape[1:]) for _ in range(shape[0])]
