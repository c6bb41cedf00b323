"""great_expectations, imported without PySpark."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def great_expectations() -> Any:
    """The package with its `expectations`; typed as Any, since checkers cannot follow its exports.

    Where PySpark is installed it would be imported whole, which takes seconds, and ends a process
    that has no main file (`python -c`, a worker of pytest-xdist): PySpark takes that for a run of
    its doctests.
    """
    if "great_expectations.expectations" in sys.modules:
        return import_module("great_expectations")
    spark = {n: m for n, m in sys.modules.items() if n == "pyspark" or n.startswith("pyspark.")}
    for name in spark:
        del sys.modules[name]
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # makes its import an ImportError
    try:
        import_module("great_expectations.expectations")
        return import_module("great_expectations")
    finally:
        del sys.modules["pyspark"]
        sys.modules.update(spark)
