"""The benchmark on a GPU runs on a machine that has torch and little else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_runs_on_a_bare_machine_and_gives_rows_that_are_right(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.bare_machine", "--quick", "--device", "cpu"]
    command += ["--only", "correctness,inversion"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["summary"]["failed"] == 0, done.stderr
    assert {row["section"] for row in result["rows"]} == {"correctness", "inversion"}
    right = [row for row in result["rows"] if row["section"] == "correctness"]
    assert all(row.get("within", True) for row in right)
    assert result["summary"]["batch_difference_max"] <= 1e-5
    assert "dry run" in (tmp_path / "gpu.md").read_text()
