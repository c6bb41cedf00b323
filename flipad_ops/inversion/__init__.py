"""Final-layer inversion: the activation that best explains an image, certified."""

from typing import TYPE_CHECKING

from flipad_ops.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from flipad_ops.inversion.inversion_settings import InversionSettings
    from flipad_ops.inversion.inverter import FinalLayerInverter, Inverter
    from flipad_ops.inversion.result import InversionResult

__all__ = ["FinalLayerInverter", "InversionResult", "InversionSettings", "Inverter"]

__getattr__ = lazy_names(
    __name__,
    {
        "inversion_settings": "InversionSettings",
        "inverter": "FinalLayerInverter Inverter",
        "result": "InversionResult",
    },
)
