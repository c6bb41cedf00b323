"""Final-layer inversion: the activation that best explains an image, certified."""

from flipad_ops.inversion.engine import FinalLayerInverter, Inverter
from flipad_ops.inversion.result import InversionResult
from flipad_ops.inversion.settings import InversionSettings

__all__ = ["FinalLayerInverter", "InversionResult", "InversionSettings", "Inverter"]
