"""From pixels to activations: the final-layer inversion of FLIPAD (section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from flipad_ops.common.errors import InversionError, UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.operators.layer_operator import LayerOperator
from flipad_ops.inversion.operators.operator import LinearOperator
from flipad_ops.inversion.result import InversionResult, concatenate
from flipad_ops.inversion.solvers import Problem, Solver, Stop, make_solver
from flipad_ops.inversion.terms import L1, Box

#: Most images handed to the solver at once, and the bytes of their activations.
CHUNK, CHUNK_BYTES = 256, 2**28


class Inverter(Protocol):
    """What recovers activations from images; see `FinalLayerInverter.invert`."""

    layer: FinalLayer

    @property
    def activation_shape(self) -> tuple[int, ...]:
        """Of one recovered activation."""
        ...

    def invert(self, pixels: Tensor, step: float | Tensor = 1 / 255) -> InversionResult:
        """Invert pixels (batch, *layer.output_shape) in [0, 1]."""
        ...


class FinalLayerInverter:
    """Finds the activation nearest the anchor, in the l1 sense, that explains an image.

    Parameters
    ----------
    layer : FinalLayer
    output_map : OutputMap
        The generator's output activation and pixel range.
    anchor : Tensor, (*input_shape)
        Mean activation over samples of the generator.
    settings : InversionSettings
    device : str or torch.device
    solver : Solver, optional
        Another way of solving than `settings.solver` names.
    """

    def __init__(
        self,
        layer: FinalLayer,
        output_map: OutputMap,
        anchor: Tensor,
        settings: InversionSettings | None = None,
        device: str | torch.device = "cpu",
        solver: Solver | None = None,
    ) -> None:
        self.settings = settings or InversionSettings()
        if tuple(anchor.shape) != tuple(layer.input_shape):
            raise InversionError(
                f"The anchor has shape {tuple(anchor.shape)}, the final layer takes "
                f"{tuple(layer.input_shape)}."
            )
        if not bool(torch.isfinite(anchor).all()):
            raise InversionError("The anchor holds NaN or infinite values.")
        if self.settings.nonnegative and bool((anchor < 0).any()):
            raise UsageError("nonnegative needs an anchor without negative entries.")
        self.layer, self.output_map = layer, output_map
        self.device = torch.device(device)
        self.operator = self.make_operator()
        self.anchor = anchor.detach().to(self.device, torch.float32)
        self.offset = layer(self.anchor[None].double()).float()
        self.solver = solver or make_solver(layer, self.operator, self.settings.solver)
        self.free: Tensor | None = None

    @classmethod
    def can(cls, layer: FinalLayer, window: int) -> bool:
        """Whether it inverts the layer where a window of such a side is wanted (0: none)."""
        return True

    @classmethod
    def of(
        cls, layer: FinalLayer, output_map: OutputMap, anchor: Tensor,
        settings: InversionSettings, window: int, device: str,
    ) -> Inverter:  # fmt: skip
        """For a layer that it `can` invert."""
        return cls(layer, output_map, anchor, settings, device)

    @property
    def activation_shape(self) -> tuple[int, ...]:
        """Of one recovered activation: all that the layer takes."""
        return tuple(self.layer.input_shape)

    def make_operator(self) -> LinearOperator:
        """W, as the solver sees it."""
        return LayerOperator(self.layer, self.device)

    def invert(
        self,
        pixels: Tensor,
        step: float | Tensor = 1 / 255,
        progress: Callable[[int, int], None] | None = None,
    ) -> InversionResult:
        """Invert images.

        Parameters
        ----------
        pixels : Tensor, (batch, *output_shape), float32 in [0, 1]
        step : float, or Tensor (*output_shape)
            One grey level in pixel units; zero for data that was never quantised.
        progress : callable, optional
            Called with (images done, images in all).

        Raises
        ------
        InversionError
            Pixels of another shape, empty, NaN or infinite.
        """
        self.check(pixels)
        parts, total = [], pixels.shape[0]
        chunk = max(1, min(CHUNK, CHUNK_BYTES // (4 * self.anchor.numel())))
        for start in range(0, total, chunk):
            parts.append(self._invert_chunk(pixels[start : start + chunk], step))
            if progress is not None:
                progress(min(start + chunk, total), total)
        return concatenate(parts)

    def penalty(self) -> Tensor:
        """alpha, broadcastable to the solver's unknowns."""
        return torch.tensor(self.settings.alpha, device=self.device)

    def unpacked(self, d: Tensor) -> Tensor:
        """The solver's unknowns as activations (batch, *input_shape)."""
        return d

    def target(self, pixels: Tensor, step: float | Tensor) -> Box:
        """The box that the final layer's output must reach, before any shift.

        Evaluated in float64 and rounded, because the last bit of a float32 atanh depends on
        an element's position in its tensor, and so on the other images of the batch.
        """
        exact = pixels.double()
        if isinstance(step, Tensor):
            step = step.to(exact)
        if self.settings.data_term == "point" or (not isinstance(step, Tensor) and step == 0):
            point = self.output_map.point_target(exact).float()
            return self._freed(Box(point, point))
        lower, upper = self.output_map.interval_target(exact, step)
        return self._freed(Box(lower.float(), upper.float()))

    def _freed(self, box: Box) -> Box:
        """Without a demand on the outputs marked in `free`, (*output_shape) bool."""
        if self.free is None:
            return box
        lower = box.lower.masked_fill(self.free, -torch.inf)
        return Box(lower, box.upper.masked_fill(self.free, torch.inf))

    def check(self, pixels: Tensor) -> None:
        """Raise InversionError for pixels that cannot be inverted."""
        expected = tuple(self.layer.output_shape)
        if pixels.dim() == 0 or tuple(pixels.shape[1:]) != expected or pixels.shape[0] == 0:
            raise InversionError(
                f"Expected images of shape (batch, {', '.join(map(str, expected))}), "
                f"got {tuple(pixels.shape)}."
            )
        if not bool(torch.isfinite(pixels).all()):
            raise InversionError("The image holds NaN or infinite pixels.")

    def _invert_chunk(self, pixels: Tensor, step: float | Tensor) -> InversionResult:
        settings = self.settings
        pixels = pixels.detach().to(self.device, torch.float32)
        box = self.target(pixels, step).shifted(self.offset)
        floor = -self.anchor[None] if settings.nonnegative else None
        weight = self.penalty()
        stop = Stop(settings.tolerance, settings.max_iterations, settings.check_every)
        solution = self.solver.solve(Problem(box, L1(weight, floor)), stop)
        return InversionResult(
            z=self.anchor + self.unpacked(solution.d),
            iterations=solution.iterations,
            gap=solution.gap,
            objective=solution.objective,
            converged=solution.gap <= settings.tolerance,
            residual=box.gradient(self.operator.apply(solution.d)),
        )
