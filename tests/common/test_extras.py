"""The table of extras is pyproject's, and nothing that is imported is in neither."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flipad_ops.common.errors import ExtraMissing
from flipad_ops.common.extras import EXTRAS, OTHER_BUILDS, explained, install, missing, need

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["optional-dependencies"]
NO_USE = {"all", "docs", "test", "dev"}
#: What stands in pyproject whatever becomes of the extras.
FIXED = {
    "mlflow", "torch", "numpy", "scikit-learn", "typer", "boto3", "onnxruntime-gpu",
    "great-expectations",
}  # fmt: skip
#: Distributions by module; reading them anew takes half a second.
THERE = packages_distributions()
#: Modules of a build of which another one may be installed.
SAME = {"onnxruntime-gpu": "onnxruntime", "mlflow-skinny": "mlflow"}


def brought(extra: str) -> set[str]:
    """Distributions of an extra, those of the extras in it too; "" is the core."""
    lines = DECLARED[extra] if extra else PROJECT["dependencies"]
    found = set()
    for wanted in map(Requirement, lines):
        if wanted.name == "flipad-ops":
            for each in wanted.extras:
                found |= brought(each)
        else:
            found.add(canonicalize_name(wanted.name))
    return found


def distributions(module: str) -> set[str]:
    names = {canonicalize_name(n) for n in THERE.get(module.split(".")[0], ())}
    return {SAME.get(name, name) for name in names}


def test_the_table_is_that_of_pyproject() -> None:
    assert set(EXTRAS) | set(OTHER_BUILDS) == set(DECLARED) - NO_USE


def test_all_is_every_use() -> None:
    assert brought("all") == set().union(*map(brought, EXTRAS))


def test_the_fixed_packages_are_declared() -> None:
    assert set().union(*map(brought, ["", *EXTRAS, *OTHER_BUILDS])) >= FIXED


def test_the_core_has_no_large_package_of_a_use() -> None:
    large = {
        "mlflow",
        "pandas",
        "pyarrow",
        "scikit-learn",
        "onnxruntime",
        "onnxruntime-gpu",
        "boto3",
    }
    assert not large & brought("")


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_it_is_known_by(extra: str) -> None:
    # MLflow brings the database's; the extra's own list need not name them.
    there = {SAME.get(name, name) for name in brought(extra)}
    there |= {"sqlalchemy", "alembic"} if "mlflow" in there else set()
    for module in EXTRAS[extra]:
        assert distributions(module) & there or module.startswith("opentelemetry"), module
        assert missing(extra) == ""
        need(extra, "Nothing")


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_missing_is_named_with_the_command(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in EXTRAS[extra]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=r"^Tea needs [\w\-]+: pip install '") as caught:
        need(extra, "Tea")
    assert install(extra) in str(caught.value)
    assert missing(extra) in str(caught.value)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_import_that_failed_is_explained(extra: str) -> None:
    for module in EXTRAS[extra]:
        said = explained(ModuleNotFoundError(name=f"{module}.part"))
        assert said is not None
        assert any(install(other) in str(said) for other, has in EXTRAS.items() if module in has)
    assert explained(ModuleNotFoundError(name="nothing_of_ours")) is None


def test_every_import_is_of_the_core_or_of_an_extra() -> None:
    known = brought("").union(*map(brought, EXTRAS))
    known |= {SAME.get(name, name) for name in known}
    # What MLflow, boto3 and FastAPI stand on.
    known |= {"botocore", "starlette", "opentelemetry-sdk", "opentelemetry-api", "urllib3"}
    known |= {"markupsafe"}  # Jinja2's
    ours = {"flipad_ops", "registry_hooks", "mlproject", "pipelines", "_typeshed"}
    strange = set()
    for room in ("flipad_ops", "registry_hooks", "mlproject", "pipelines"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                outer = {each.split(".")[0] for each in names} - set(sys.stdlib_module_names) - ours
                strange |= {f"{path.name}: {n}" for n in outer if not distributions(n) & known}
    assert not strange
