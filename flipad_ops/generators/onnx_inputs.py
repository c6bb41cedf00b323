"""The inputs of an ONNX graph: the latent, and beside it what metadata tells of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.generators.conditions import LATENT, Classes, Constant, Input, arguments
from flipad_ops.generators.several_inputs import SeveralInputs

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

_DTYPES = {
    "FLOAT": torch.float32, "DOUBLE": torch.float64, "INT64": torch.int64, "INT32": torch.int32,
    "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True)
class GraphInput:
    """One of them.

    Parameters
    ----------
    dims : tuple of int
        0 where the graph leaves a size open.
    """

    name: str
    dtype: torch.dtype
    dims: tuple[int, ...]

    def fitted(self, stated: Input, argument: Tensor) -> Tensor:
        """An argument (batch, ...) in the graph's dtype, with as many dimensions as it wants: a
        class may be a column, a constant one value for the whole batch."""
        if isinstance(stated, Constant) and len(self.dims) == stated.value.dim():
            argument = argument[0]
        elif isinstance(stated, Classes) and not stated.one_hot:
            argument = argument.reshape(-1, *(1,) * (len(self.dims) - 1))
        return argument.to(self.dtype)


class OnnxInputs:
    """What a graph is fed.

    Parameters
    ----------
    model : ModelProto
        Its initializers may be among its inputs.
    stated : sequence of Input
        What metadata tells; of a graph with one input nothing is asked.
    shape : tuple of int
        Of the latent that the graph takes, where there are several inputs.

    Attributes
    ----------
    batched : bool
        False when the graph is fixed to one latent at a time.
    latent_shape : tuple of int or None
        As far as the graph states it.

    Raises
    ------
    SeveralInputs
        Metadata does not tell what they are.
    GeneratorUnreadable
        A latent without a shape or not of floats, or a fixed batch size above one.
    """

    def __init__(
        self, model: ModelProto, stated: Sequence[Input] = (), shape: tuple[int, ...] = ()
    ) -> None:
        held = {each.name for each in model.graph.initializer}
        self.graph = [_read(value) for value in model.graph.input if value.name not in held]
        if len(self.graph) == 1:
            stated = (LATENT,)
        elif len(self.graph) != len(stated):
            raise SeveralInputs([(each.name, _example(each)) for each in self.graph])
        self.stated, self.shape = tuple(stated), shape
        latent = self.graph[self.stated.index(LATENT)]
        if not latent.dims:
            raise GeneratorUnreadable("The ONNX graph does not state the shape of its input.")
        if not latent.dtype.is_floating_point:
            raise GeneratorUnreadable(
                f"The ONNX graph takes a latent of {str(latent.dtype).removeprefix('torch.')}; "
                "it must be of floats."
            )
        size, *rest = latent.dims
        if size > 1:
            raise GeneratorUnreadable(
                f"The ONNX graph was exported for batches of exactly {size}.",
                remedy="Export it with a dynamic batch dimension (dynamic_axes or dynamic_shapes), "
                "or for batches of one",
            )
        self.batched = size != 1
        self.latent_shape = tuple(rest) if rest and all(rest) else None

    def __call__(self, latents: Tensor) -> dict[str, Tensor]:
        """By name, for latents (batch, ...) with the graph back to them."""
        alone = len(self.graph) == 1
        given = [latents] if alone else arguments(latents, self.stated, self.shape)
        return {
            each.name: each.fitted(what, value)
            for each, what, value in zip(self.graph, self.stated, given, strict=True)
        }


def _read(value: ValueInfoProto) -> GraphInput:
    from onnx import TensorProto

    kind = value.type.tensor_type
    name = TensorProto.DataType.Name(kind.elem_type)
    if name not in _DTYPES:
        raise GeneratorUnreadable(
            f"The ONNX graph takes {value.name!r} of type {name.lower()}, which is no number."
        )
    return GraphInput(value.name, _DTYPES[name], tuple(dim.dim_value for dim in kind.shape.dim))


def _example(of: GraphInput) -> Tensor:
    return torch.empty([size or 1 for size in of.dims] or [1], dtype=of.dtype, device="meta")
