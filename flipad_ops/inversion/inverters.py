"""Which inverter a layer gets."""

from __future__ import annotations

from torch import Tensor

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion.crop import CropInverter
from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.inverter import FinalLayerInverter, Inverter
from flipad_ops.inversion.joint import SkipInverter
from flipad_ops.inversion.seen import SeenInverter

#: The first that can inverts.
INVERTERS: tuple[type[CropInverter | FinalLayerInverter], ...] = (
    SeenInverter,
    SkipInverter,
    CropInverter,
    FinalLayerInverter,
)


def make_inverter(
    layer: FinalLayer,
    output_map: OutputMap,
    anchor: Tensor,
    settings: InversionSettings,
    window: int = 0,
    device: str = "cpu",
) -> Inverter:
    """The inverter of a layer; see `FinalLayerInverter`.

    Parameters
    ----------
    window : int
        Side of the central square of activations that is wanted; 0 for all of them.
    """
    kind = next(each for each in INVERTERS if each.can(layer, window))
    return kind.of(layer, output_map, anchor, settings, window, device)
