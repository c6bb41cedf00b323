"""What is installed by use (pyproject's extras), and one sentence where some of it is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec

from flipad_ops.common.errors import ExtraMissing

#: The modules by which an extra is known to be there.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "s3": ("boto3", "obstore"),
    "tables": ("pyarrow",),
    "pytorch": ("pandas",),
    "store": ("sqlalchemy", "alembic"),
    "fit": ("sklearn", "pandas", "matplotlib"),
    "data-docs": ("great_expectations",),
    "hooks": (
        "sqlalchemy", "alembic", "fastapi", "uvicorn", "apscheduler", "sklearn", "pandas",
        "matplotlib",
    ),
    "onnx": ("onnx", "onnxruntime"),
    "diffusers": ("diffusers",),
    "ray": ("ray",),
    "delta": ("deltalake", "pyarrow"),
    "postgres": ("psycopg",),
    "notify": ("apprise",),
    "sign": ("minisign",),
    "c2pa": ("c2pa",),
    "otel": ("opentelemetry.exporter.otlp.proto.http",),
}  # fmt: skip
#: The same extra with another build of a package.
OTHER_BUILDS = {"onnx-gpu": "onnx"}
#: What goes by another name where it is installed from.
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "minisign": "py-minisign",
    "c2pa": "c2pa-python",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}


def install(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install 'flipad-ops[{extra}]'"


def missing(extra: str) -> str:
    """The first package of an extra that is not installed, as it is installed; "" if all are."""
    lacking = next((name for name in EXTRAS[extra] if not _there(name)), "")
    return _DISTRIBUTIONS.get(lacking, lacking)


def need(extra: str, what: str) -> None:
    """Go on if an extra is installed; imports nothing of it.

    Parameters
    ----------
    what : str
        What needs it, as a sentence begins.

    Raises
    ------
    ExtraMissing
    """
    if package := missing(extra):
        raise ExtraMissing(f"{what} needs {package}: {install(extra)}.")


def explained(error: ModuleNotFoundError) -> ExtraMissing | None:
    """What to install for an import that failed, or None if it is none of ours to bring."""
    name = error.name or ""
    for extra, modules in EXTRAS.items():
        for module in modules:
            if name == module or name.startswith(f"{module}."):
                package = _DISTRIBUTIONS.get(module, module)
                return ExtraMissing(f"This needs {package}: {install(extra)}.")
    return None


def _there(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
