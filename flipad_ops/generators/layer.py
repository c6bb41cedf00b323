"""The last linear layer of a generator as plain data: weights and geometry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.skip import SkipBlock
from flipad_ops.samples.space import SampleSpace

LayerKind = Literal["conv2d", "conv_transpose2d", "linear", "seen"]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class FinalLayer:
    """`L(z) = W z + b`, or `W z + U s + b` with a skip image s.

    Parameters
    ----------
    kind : {"conv2d", "conv_transpose2d", "linear", "seen"}
        "seen" where no model is at hand, see `generators.samples`.
    weight : Tensor, float32, on the CPU
        In torch's own layout for `kind`.
    bias : Tensor or None
        (out_channels,) or (out_features,); or of `output_shape`, where an ending was folded in
        (`generators.endings`).
    input_shape, output_shape : tuple of int
        Shapes of z and of L(z) without the batch dimension; with a skip image, of both as
        `SkipBlock.join` makes them one.
    stride, padding, output_padding, dilation, groups
        As in torch; ignored for "linear".
    skip : SkipBlock or None
        U.
    """

    kind: LayerKind
    weight: Tensor
    bias: Tensor | None
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    skip: SkipBlock | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(LayerKind):
            raise NotAttributable(
                f"The last linear layer is a {self.kind}, which is not supported."
            )
        tensors = [self.weight] if self.bias is None else [self.weight, self.bias]
        if not all(bool(torch.isfinite(t).all()) for t in tensors):
            raise NotAttributable("The last linear layer holds NaN or infinite weights.")

    def __call__(self, z: Tensor) -> Tensor:
        """L(z) for z of shape (batch, *input_shape)."""
        if self.skip is not None:
            z, s = self.skip.split(z)
            return self.alone()(z) + self.skip(s)
        if self.kind == "seen":
            return z[:, : self.output_shape[0]]
        weight = self.weight.to(z)
        bias = None if self.bias is None else self.bias.to(z)
        if bias is not None and bias.dim() == len(self.output_shape) > 1:
            return replace(self, bias=None)(z) + bias
        if self.kind == "linear":
            return F.linear(z, weight, bias)
        if self.kind == "conv2d":
            return F.conv2d(z, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        return F.conv_transpose2d(
            z, weight, bias, self.stride, self.padding,
            self.output_padding, self.groups, self.dilation,
        )  # fmt: skip

    def alone(self) -> FinalLayer:
        """The layer without its skip image: W z + b."""
        if self.skip is None:
            return self
        channels, *size = self.input_shape
        shape = (channels - self.skip.channels, *size)
        return replace(self, skip=None, input_shape=shape)

    @property
    def inverts(self) -> bool:
        """Whether there is a layer to invert."""
        return self.kind != "seen"

    def geometry(self) -> dict[str, Any]:
        """Everything but the tensors, JSON-ready."""
        skip = {} if self.skip is None else {"skip": self.skip.describe()}
        return {
            **skip,
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
            "stride": list(self.stride),
            "padding": list(self.padding),
            "output_padding": list(self.output_padding),
            "dilation": list(self.dilation),
            "groups": self.groups,
        }

    @classmethod
    def from_parts(cls, geometry: dict[str, Any], tensors: Mapping[str, Tensor]) -> FinalLayer:
        """Inverse of `geometry()` and `tensors()`."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in geometry.items()
        }
        if "skip" in fields:
            rows, columns = tensors["skip.rows"], tensors["skip.columns"]
            fields["skip"] = SkipBlock(rows, columns, **fields["skip"])
        return cls(weight=tensors["weight"], bias=tensors.get("bias"), **fields)

    def tensors(self) -> dict[str, Tensor]:
        """All it holds, by name."""
        found = {"weight": self.weight}
        if self.bias is not None:
            found["bias"] = self.bias
        if self.skip is not None:
            found |= {"skip.rows": self.skip.rows, "skip.columns": self.skip.columns}
        return found

    def sha256(self) -> str:
        """Content hash over geometry and tensors (float32 bytes)."""
        digest = hashlib.sha256(json.dumps(self.geometry(), sort_keys=True).encode())
        for tensor in (self.weight, self.bias):
            digest.update(b"none" if tensor is None else tensor_bytes(tensor))
        if self.skip is not None:
            digest.update(tensor_bytes(self.skip.rows) + tensor_bytes(self.skip.columns))
        return digest.hexdigest()


def inversion_sha256(layer: FinalLayer, output_map: OutputMap, space: SampleSpace) -> str:
    """Content hash of everything that decides an inversion: the layer, the activation, which
    outputs are black and white, and the values that a sample is stored in."""
    said = [layer.sha256(), output_map.activation, output_map.low, output_map.high]
    grid = space.grid
    text = json.dumps([*said, grid.steps, grid.offsets])
    return hashlib.sha256(text.encode()).hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Shape, dtype and raw values, for hashing."""
    head = f"{tuple(tensor.shape)}{tensor.dtype}".encode()
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return head + flat.view(torch.uint8).numpy().tobytes() if flat.numel() else head


def state_sha256(tensors: dict[str, Tensor]) -> str:
    """Content hash of a set of tensors, independent of their names and order.

    Names are left out because exporting a module renames its parameters; step counters of
    batch norm are left out because they do not change the output.
    """
    digests = sorted(
        hashlib.sha256(tensor_bytes(tensor)).digest()
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()
