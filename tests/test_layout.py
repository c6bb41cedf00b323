"""The house: what is where, how large, under which names, and what an installation brings."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import flipad_ops

ROOT = Path(__file__).parents[1]
PRODUCT = ("flipad_ops", "registry_hooks", "mlproject", "pipelines")
#: A command, its workflow and its entry point in MLproject have its name.
COMMANDS = {"fit.py", "scan.py", "verify.py", "register.py", "report.py"}
LONGEST_FILE, LONGEST_FUNCTION = 280, 80


def sources() -> Iterator[tuple[Path, str]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def test_the_public_names() -> None:
    assert sorted(flipad_ops.__all__) == [
        "Attributor", "EvaluateRequest", "FitRequest", "FitSettings", "FlipadError",
        "ScanRequest", "VerifyRequest", "__version__", "evaluate", "fit", "load_attributor",
        "recipe", "scan", "verify",
    ]  # fmt: skip
    assert all(getattr(flipad_ops, name) is not None for name in flipad_ops.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = flipad_ops.nothing


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'mlflow', 'boto3', 'numpy', 'typer'} & set(sys.modules)"
    code = f"import sys, flipad_ops; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_module_stands_beside_the_rooms() -> None:
    loose = {path.name for path in (ROOT / "flipad_ops").iterdir() if path.is_file()}
    assert loose == {"__init__.py", "__main__.py", "py.typed"}


def test_files_and_functions_are_short() -> None:
    long = []
    for path, text in sources():
        if text.count("\n") > LONGEST_FILE:
            long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long.append(f"{path}:{node.name} ({length})")
    assert not long


def test_no_two_files_of_one_name() -> None:
    places = defaultdict(list)
    for path, _ in sources():
        if path.name != "__init__.py" and path.name not in COMMANDS:
            places[path.name].append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
