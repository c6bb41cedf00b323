"""Joint inversion of a skip generator's last block, `y = W z + U s + b` (StyleGAN2).

s is the image of the previous resolution and U its fixed upsampling. Both z and s are pulled
towards their means in the l1 sense, so the problem is still a convex lasso; the per-sample style
scales input channels and is absorbed into z.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.skip import SkipBlock
from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.inverter import FinalLayerInverter
from flipad_ops.inversion.operators.layer_operator import LayerOperator
from flipad_ops.inversion.operators.sums import SumOperator

#: alpha of the skip image relative to that of z.
SKIP_WEIGHT = 1.0


class SkipOperator:
    """U and its adjoint, on a device.

    Parameters
    ----------
    skip : SkipBlock
    device : str or torch.device
    """

    def __init__(self, skip: SkipBlock, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.input_shape: tuple[int, ...] = skip.input_shape
        self.output_shape: tuple[int, ...] = skip.output_shape
        self.rows, self.columns = skip.rows.to(device), skip.columns.to(device)

    def apply(self, z: Tensor) -> Tensor:
        """U s for (batch, *input_shape)."""
        return self.rows.to(z) @ z @ self.columns.to(z).T

    def adjoint(self, u: Tensor) -> Tensor:
        """U^T u for (batch, *output_shape)."""
        return self.rows.to(u).T @ u @ self.columns.to(u)


class SkipInverter(FinalLayerInverter):
    """Inverts W and U together; activations are joint ones, as `SkipBlock.join` makes them.

    Parameters
    ----------
    layer : FinalLayer
        With a skip image.
    output_map, anchor, settings, device
        See `FinalLayerInverter`; the anchor is the mean of joint activations.
    skip_weight : float
        alpha of the skip image relative to that of z.

    Raises
    ------
    UsageError
        A layer without a skip image, or a solver that cannot invert two blocks.
    """

    def __init__(
        self, layer: FinalLayer, output_map: OutputMap, anchor: Tensor,
        settings: InversionSettings | None = None, device: str | torch.device = "cpu",
        skip_weight: float = SKIP_WEIGHT,
    ) -> None:  # fmt: skip
        if layer.skip is None:
            raise UsageError("This final layer has no skip image to invert with it.")
        if settings is not None and settings.nonnegative:
            raise UsageError("nonnegative is not for layers with a skip image.")
        self.skip, self.skip_weight = layer.skip, skip_weight
        super().__init__(layer, output_map, anchor, settings, device)

    @classmethod
    def can(cls, layer: FinalLayer, window: int) -> bool:
        """Where the layer's output is added to a skip image."""
        return layer.skip is not None

    def make_operator(self) -> SumOperator:
        """(W, U) of joined unknowns."""
        alone = LayerOperator(self.layer.alone(), self.device)
        return SumOperator([alone, SkipOperator(self.skip, self.device)])

    def penalty(self) -> Tensor:
        """alpha for every unknown of z, and its multiple for those of s."""
        assert isinstance(self.operator, SumOperator)
        alpha = self.settings.alpha
        weights = [
            torch.full((1, *block.input_shape), value, device=self.device)
            for block, value in zip(
                self.operator.blocks, (alpha, alpha * self.skip_weight), strict=True
            )
        ]
        return self.operator.join(weights)

    def unpacked(self, d: Tensor) -> Tensor:
        """Unknowns (batch, entries) as joint activations."""
        assert isinstance(self.operator, SumOperator)
        z, s = self.operator.split(d)
        return self.skip.join(z, s)
