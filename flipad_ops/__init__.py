"""flipad_ops: was this image made by our generative model?

What most need is here; everything else is imported from its module.

    import flipad_ops

    flipad_ops.fit(flipad_ops.FitRequest("models:/faces/1", negatives=("photos/",)))
    outcome = flipad_ops.scan(flipad_ops.ScanRequest(("found/",), models=("faces",)))
"""

from typing import TYPE_CHECKING, Any

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

#: Where each name is, loaded when it is asked for: torch and MLflow take seconds.
_PLACES = {
    "fit": "workflows.fit",
    "FitRequest": "workflows.fit",
    "scan": "workflows.scan",
    "ScanRequest": "workflows.scan",
    "verify": "workflows.verify",
    "VerifyRequest": "workflows.verify",
    "evaluate": "workflows.evaluate",
    "EvaluateRequest": "workflows.evaluate",
    "load_attributor": "attribution.serialisation",
    "Attributor": "attribution.attributor",
    "FitSettings": "attribution.fit_settings",
    "recipe": "attribution.fit_settings",
    "FlipadError": "common.errors",
    "__version__": "common.version",
}

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


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
