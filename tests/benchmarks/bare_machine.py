"""Runs the benchmark on a GPU where nothing is installed but what a lent machine has.

python -m tests.benchmarks.bare_machine --quick --device cpu --out FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

#: What the product uses elsewhere.
ABSENT = {
    "alembic", "boto3", "botocore", "deltalake", "diffusers", "fastapi", "great_expectations",
    "httpx", "mlflow", "obstore", "onnx", "onnxruntime", "pandas", "prometheus_client",
    "pyarrow", "pydantic", "ray", "requests", "rich", "sqlalchemy", "typer",
}  # fmt: skip


class Absent(MetaPathFinder, Loader):
    """Found, as others ask whether it is there; importing it fails as if it were not."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of what is absent."""
        return spec_from_loader(name, self) if name.partition(".")[0] in ABSENT else None

    def exec_module(self, module: ModuleType) -> None:
        """Raises ModuleNotFoundError."""
        raise ModuleNotFoundError(f"{module.__name__} is not on a bare machine")


if __name__ == "__main__":
    assert not ABSENT & set(sys.modules), sorted(ABSENT & set(sys.modules))
    sys.meta_path.insert(0, Absent())
    from benchmarks.gpu import main

    main()
