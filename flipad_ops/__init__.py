"""flipad_ops: was this image made by our generative model?

What most need is here; everything else is imported from its module.

    import flipad_ops

    flipad_ops.fit(flipad_ops.FitRequest("models:/faces/1", negatives=("photos/",)))
    outcome = flipad_ops.scan(flipad_ops.ScanRequest(("found/",), models=("faces",)))
"""

from typing import TYPE_CHECKING

from flipad_ops.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from flipad_ops.attribution.attributor import Attributor
    from flipad_ops.attribution.fit_settings import FitSettings, recipe
    from flipad_ops.attribution.serialisation import load_attributor
    from flipad_ops.common.errors import FlipadError
    from flipad_ops.common.version import __version__
    from flipad_ops.workflows.evaluate import EvaluateRequest, evaluate
    from flipad_ops.workflows.fit import FitRequest, fit
    from flipad_ops.workflows.scan import ScanRequest, scan
    from flipad_ops.workflows.verify import VerifyRequest, verify

__all__ = [
    "Attributor",
    "EvaluateRequest",
    "FitRequest",
    "FitSettings",
    "FlipadError",
    "ScanRequest",
    "VerifyRequest",
    "__version__",
    "evaluate",
    "fit",
    "load_attributor",
    "recipe",
    "scan",
    "verify",
]


__getattr__ = lazy_names(
    __name__,
    {
        "workflows.fit": "fit",
        "workflows.fit_request": "FitRequest",
        "workflows.scan": "scan",
        "workflows.scan_request": "ScanRequest",
        "workflows.verify": "verify VerifyRequest",
        "workflows.evaluate": "evaluate EvaluateRequest",
        "attribution.serialisation": "load_attributor",
        "attribution.attributor": "Attributor",
        "attribution.fit_settings": "FitSettings recipe",
        "common.errors": "FlipadError",
        "common.version": "__version__",
    },
)


def __dir__() -> list[str]:
    return __all__
