"""great_expectations must not end a process that has no main file."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys, warnings
warnings.simplefilter("ignore")
try:
    import pyspark.sql
    spark = sys.modules["pyspark"]
except ImportError:
    spark = None
from flipad_ops.workflows.expectations import great_expectations
assert great_expectations().expectations.ExpectColumnValuesToBeUnique
assert sys.modules.get("pyspark") is spark
print("alive")
"""


@pytest.mark.slow
def test_a_process_without_a_main_file_lives_on() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout == "alive\n", done.stderr
