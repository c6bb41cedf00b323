"""Joint inversion of a skip generator's last block, `y = W z + U s + b` (StyleGAN2).

s is the RGB image of the previous resolution and U its fixed FIR upsampling. Both z and s
are pulled towards their means in the l1 sense, so the problem is still a convex lasso; the
per-sample style scales input channels and is absorbed into z.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flipad_ops.errors import InversionError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion.engine import FinalLayerInverter
from flipad_ops.inversion.operators.layer import LayerOperator
from flipad_ops.inversion.operators.sums import SumOperator
from flipad_ops.inversion.result import InversionResult
from flipad_ops.inversion.settings import InversionSettings
from flipad_ops.inversion.solvers.base import Problem, Stop
from flipad_ops.inversion.solvers.fista import Fista
from flipad_ops.inversion.terms import L1


def fir_upsampling(
    channels: int, size: tuple[int, int], taps: Sequence[float] = (1, 3, 3, 1)
) -> FinalLayer:
    """U: twofold upsampling of (channels, *size) by the separable FIR filter `taps`."""
    line = torch.tensor(taps, dtype=torch.float32)
    line = 2.0 * line / line.sum()
    weight = torch.outer(line, line).expand(channels, 1, len(taps), len(taps)).contiguous()
    return FinalLayer(
        "conv_transpose2d", weight, None, (channels, *size),
        (channels, 2 * size[0], 2 * size[1]), stride=(2, 2),
        padding=((len(taps) - 2) // 2,) * 2, groups=channels,
    )  # fmt: skip


class SkipInverter:
    """Inverts W and U together; `invert` returns the result for z and the skip image.

    Parameters
    ----------
    layer, skip : FinalLayer
        W with its bias, and U without one.
    anchor, skip_anchor : Tensor
        Mean activation and mean skip image, in the layers' input shapes.
    skip_weight : float
        alpha of the skip image relative to that of z.
    """

    def __init__(
        self, layer: FinalLayer, skip: FinalLayer, output_map: OutputMap,
        anchor: Tensor, skip_anchor: Tensor, settings: InversionSettings,
        skip_weight: float = 1.0, device: str | torch.device = "cpu",
    ) -> None:  # fmt: skip
        if tuple(skip_anchor.shape) != tuple(skip.input_shape):
            raise InversionError("The skip anchor does not have the shape of the skip image.")
        self.operator = SumOperator([LayerOperator(layer, device), LayerOperator(skip, device)])
        self.solver = Fista(self.operator)
        # Lends its target, checks and anchor; the joint problem has its own solver.
        self.base = FinalLayerInverter(layer, output_map, anchor, settings, device, self.solver)
        self.skip_anchor = skip_anchor.detach().to(device, torch.float32)
        self.offset = self.base.offset + self.operator.blocks[1].apply(self.skip_anchor[None])
        weights = [
            torch.full((1, *block.input_shape), value, device=device)
            for block, value in zip(
                self.operator.blocks, (settings.alpha, settings.alpha * skip_weight), strict=True
            )
        ]
        self.weight = self.operator.join(weights)

    def invert(self, pixels: Tensor, step: float = 1 / 255) -> tuple[InversionResult, Tensor]:
        """The result for z, and s of shape (batch, *skip.input_shape)."""
        settings = self.base.settings
        self.base.check(pixels)
        box = self.base.target(pixels.to(self.base.device), step).shifted(self.offset)
        stop = Stop(settings.tolerance, settings.max_iterations, settings.check_every)
        solution = self.solver.solve(Problem(box, L1(self.weight)), stop)
        z, s = self.operator.split(solution.d)
        result = InversionResult(
            z=self.base.anchor + z,
            iterations=solution.iterations,
            gap=solution.gap,
            objective=solution.objective,
            converged=solution.gap <= settings.tolerance,
            residual=box.gradient(self.operator.apply(solution.d)),
        )
        return result, self.skip_anchor + s
