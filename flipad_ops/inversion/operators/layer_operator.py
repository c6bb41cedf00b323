"""W of one final layer: Conv2d, ConvTranspose2d or Linear, without its bias."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.generators.layer import FinalLayer


class LayerOperator:
    """Apply and adjoint of a FinalLayer; input dtype is kept, weights are cast once.

    Parameters
    ----------
    layer : FinalLayer
    device : str or torch.device
    """

    def __init__(self, layer: FinalLayer, device: str | torch.device = "cpu") -> None:
        self.layer = layer
        self.input_shape = layer.input_shape
        self.output_shape = layer.output_shape
        self.device = torch.device(device)
        self._weights: dict[torch.dtype, Tensor] = {}

    def weight(self, dtype: torch.dtype) -> Tensor:
        """The layer's weight in torch's layout, on the operator's device."""
        if dtype not in self._weights:
            self._weights[dtype] = self.layer.weight.detach().to(self.device, dtype)
        return self._weights[dtype]

    def apply(self, z: Tensor) -> Tensor:
        """W z for (batch, *input_shape)."""
        layer, weight = self.layer, self.weight(z.dtype)
        if layer.kind == "linear":
            return F.linear(z, weight)
        if layer.kind == "conv2d":
            return F.conv2d(
                z, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        return F.conv_transpose2d(
            z, weight, None, layer.stride, layer.padding,
            layer.output_padding, layer.groups, layer.dilation,
        )  # fmt: skip

    def adjoint(self, u: Tensor) -> Tensor:
        """W^T u for (batch, *output_shape)."""
        layer, weight = self.layer, self.weight(u.dtype)
        if layer.kind == "linear":
            return F.linear(u, weight.T)
        if layer.kind == "conv_transpose2d":
            return F.conv2d(
                u, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
            )[..., : self.input_shape[1], : self.input_shape[2]]
        return F.conv_transpose2d(
            u, weight, None, layer.stride, layer.padding,
            self._missing_rows(), layer.groups, layer.dilation,
        )  # fmt: skip

    def _missing_rows(self) -> tuple[int, int]:
        """Trailing input rows and columns that a strided Conv2d never reads fully."""
        layer = self.layer
        height, width = (
            size
            - (
                (out - 1) * stride
                - 2 * padding
                + dilation * (kernel - 1)
                + 1
            )
            for size, out, stride, padding, dilation, kernel in zip(
                layer.input_shape[1:], layer.output_shape[1:], layer.stride,
                layer.padding, layer.dilation, layer.weight.shape[2:], strict=True,
            )
        )  # fmt: skip
        return height, width
