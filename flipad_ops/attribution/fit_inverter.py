"""The inverter that a fit and its attributor share."""

from __future__ import annotations

from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.generators import FinalLayer, OutputMap
from flipad_ops.inversion import Inverter
from flipad_ops.inversion.inverters import make_inverter


def build_inverter(
    layer: FinalLayer, output_map: OutputMap, anchor: Tensor, settings: FitSettings, device: str
) -> Inverter:
    """The inverter that a fit and its attributor share; the layer and the settings choose it."""
    return make_inverter(layer, output_map, anchor, settings.inversion, settings.window, device)
