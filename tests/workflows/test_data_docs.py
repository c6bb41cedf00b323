"""great_expectations must not end a process that has no main file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys, warnings
warnings.simplefilter("ignore")
try:
    import pyspark.sql
    spark = sys.modules["pyspark"]
except ImportError:
    spark = None
from flipad_ops.workflows.data_docs import great_expectations
assert great_expectations().expectations.ExpectColumnValuesToBeUnique
assert sys.modules.get("pyspark") is spark
print("alive")
"""


@pytest.mark.slow
def test_a_process_without_a_main_file_lives_on() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout == "alive\n", done.stderr


def test_nothing_else_imports_it() -> None:
    imports = re.compile(r"(import|from|import_module\()\W*great_expectations")
    places = {
        path.name
        for room in ("flipad_ops", "registry_hooks", "mlproject", "pipelines")
        for path in (Path(__file__).parents[2] / room).rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    }
    assert places == {"data_docs.py"}
