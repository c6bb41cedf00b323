"""Where no layer can be inverted: what is seen of an image takes the place of an activation."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.common.errors import InversionError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.samples_only import look
from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.inverter import FinalLayerInverter
from flipad_ops.inversion.result import InversionResult


class SeenInverter(FinalLayerInverter):
    """Like its parent for a layer of kind "seen": nothing is solved, nothing is left over."""

    def __init__(
        self,
        layer: FinalLayer,
        output_map: OutputMap,
        anchor: Tensor,
        settings: InversionSettings,
        device: str | torch.device = "cpu",
    ) -> None:
        self.layer, self.output_map, self.settings = layer, output_map, settings
        self.device = torch.device(device)
        self.anchor = anchor.detach().to(self.device, torch.float32)

    @classmethod
    def can(cls, layer: FinalLayer, window: int) -> bool:
        """Where there is nothing to invert."""
        return not layer.inverts

    def invert(
        self, pixels: Tensor, step: float | Tensor = 1 / 255, progress: object = None
    ) -> InversionResult:
        """See the parent; every image converges, with a residual of zero."""
        self.check(pixels)
        count = len(pixels)
        none = torch.zeros(count, dtype=torch.float64)
        # One by one: the last bits of a batched product depend on the batch.
        output = self.output_map.to_output(pixels.to(self.device, torch.float32))
        parts = [look(image[None]) for image in output]
        if not parts:
            raise InversionError("There is no image to look at.")
        return InversionResult(
            z=torch.cat(parts),
            iterations=torch.zeros(count, dtype=torch.int64),
            gap=none,
            objective=none,
            converged=torch.ones(count, dtype=torch.bool),
            residual=torch.zeros(pixels.shape),
        )
