"""Inverting a window of a large image: the window plus a margin, nothing else.

The lasso is local: an output depends on a few activations, and its influence on others
fades with distance. Outputs near the cut that depend on activations outside the window are
left free, activations outside it stay at the anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.inverter import FinalLayerInverter
from flipad_ops.inversion.operators.layer_operator import LayerOperator
from flipad_ops.inversion.result import InversionResult

#: Activations around the window; interiors agree to about 1e-4 (tests/inversion/test_crop.py).
MARGIN = 16


@dataclass(frozen=True)
class Window:
    """A rectangle of activations: rows top..top+height, columns left..left+width."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def centre(cls, size: tuple[int, int], extent: int) -> Window:
        """The central square of `extent`, at most the whole."""
        height, width = min(extent, size[0]), min(extent, size[1])
        return cls((size[0] - height) // 2, (size[1] - width) // 2, height, width)


class CropInverter:
    """Like `FinalLayerInverter` for whole images, but returns z of one window only.

    Parameters
    ----------
    window : Window
        In activations.
    margin : int
        Activations solved for around the window and dropped.
    """

    def __init__(
        self, layer: FinalLayer, output_map: OutputMap, anchor: Tensor,
        settings: InversionSettings, window: Window, margin: int = MARGIN,
        device: str | torch.device = "cpu",
    ) -> None:  # fmt: skip
        if layer.kind == "linear" or layer.skip is not None:
            raise UsageError("Only convolutions without a skip image can be inverted in a window.")
        transposed = layer.kind == "conv_transpose2d"
        spans, outputs, cores = [], [], []
        for axis, (start, length) in enumerate(
            ((window.top, window.height), (window.left, window.width))
        ):
            stride = layer.stride[axis]
            low = max(0, start - margin)
            if not transposed:
                low -= low % stride
            high = min(layer.input_shape[1 + axis], start + length + margin)
            spans.append(slice(low, high))
            reach = (layer.weight.shape[2 + axis] - 1) * layer.dilation[axis] + 1
            first = low * stride if transposed else low // stride
            count = (
                (high - low - 1) * stride + reach - 2 * layer.padding[axis]
                if transposed
                else (high - low + 2 * layer.padding[axis] - reach) // stride + 1
            )
            outputs.append(slice(first, min(first + count, layer.output_shape[1 + axis])))
            cores.append(slice(start - low, start - low + length))
        self.layer, self.settings = layer, settings
        self.spans, self.outputs, self.cores = tuple(spans), tuple(outputs), tuple(cores)
        rows, columns = self.outputs
        part = replace(
            layer,
            bias=None,  # the offset below holds it
            input_shape=(layer.input_shape[0], *(s.stop - s.start for s in spans)),
            output_shape=(layer.output_shape[0], *(s.stop - s.start for s in outputs)),
            output_padding=self._output_padding(layer, transposed),
        )
        cut = anchor[:, spans[0], spans[1]].contiguous()
        self.inner = FinalLayerInverter(part, output_map, cut, settings, device)
        full = layer(anchor[None].double()).float().to(device)
        self.inner.offset = full[..., rows, columns].contiguous()
        # An output is free when an activation outside the window reaches it.
        ones = replace(
            layer, weight=torch.ones(1, 1, *layer.weight.shape[2:]), bias=None, groups=1,
            input_shape=(1, *layer.input_shape[1:]), output_shape=(1, *layer.output_shape[1:]),
        )  # fmt: skip
        outside = torch.ones(1, *ones.input_shape)
        outside[..., spans[0], spans[1]] = 0.0
        reached = LayerOperator(ones).apply(outside)[0, :, rows, columns] > 0.5
        self.inner.free = reached.expand(part.output_shape).to(device)

    @classmethod
    def can(cls, layer: FinalLayer, window: int) -> bool:
        """Where the layer takes more than the window wanted."""
        size = layer.input_shape[1:]
        return window > 0 and len(size) == 2 and window < max(size)

    @classmethod
    def of(
        cls, layer: FinalLayer, output_map: OutputMap, anchor: Tensor,
        settings: InversionSettings, window: int, device: str,
    ) -> CropInverter:  # fmt: skip
        """For the central window."""
        height, width = layer.input_shape[1:]
        centre = Window.centre((height, width), window)
        return cls(layer, output_map, anchor, settings, centre, device=device)

    @property
    def activation_shape(self) -> tuple[int, ...]:
        """Of one recovered activation: the window's."""
        sides = (core.stop - core.start for core in self.cores)
        return (self.layer.input_shape[0], *sides)

    def invert(self, pixels: Tensor, step: float | Tensor = 1 / 255) -> InversionResult:
        """Invert (batch, *layer.output_shape); z is (batch, channels, height, width) of the window,
        the residual zero outside it."""
        rows, columns = self.outputs
        if isinstance(step, Tensor):
            step = step[..., rows, columns]
        result = self.inner.invert(pixels[..., rows, columns].contiguous(), step)
        residual = result.residual.new_zeros(len(pixels), *self.layer.output_shape)
        residual[..., rows, columns] = result.residual
        z = result.z[..., self.cores[0], self.cores[1]].contiguous()
        return replace(result, z=z, residual=residual)

    def _output_padding(self, layer: FinalLayer, transposed: bool) -> tuple[int, int]:
        """Kept only where the window reaches the end of the image."""
        if not transposed:
            return layer.output_padding
        ends = [s.stop == n for s, n in zip(self.spans, layer.input_shape[1:], strict=True)]
        extra = [p if end else 0 for p, end in zip(layer.output_padding, ends, strict=True)]
        return (extra[0], extra[1])
