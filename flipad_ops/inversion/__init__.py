"""Final-layer inversion: the activation that best explains an image, certified."""

from flipad_ops.inversion.inversion_settings import InversionSettings
from flipad_ops.inversion.inverter import FinalLayerInverter, Inverter
from flipad_ops.inversion.result import InversionResult

__all__ = ["FinalLayerInverter", "InversionResult", "InversionSettings", "Inverter"]
