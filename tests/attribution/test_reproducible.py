"""The same fit in processes of its own gives the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from flipad_ops.attribution.serialisation import JSON_NAME, TENSORS_NAME
from flipad_ops.scanning.outcome.tolerances import TOLERANCE

MAKE = Path(__file__).parents[1] / "fixtures" / "make.py"
ROOT = MAKE.parents[2]


def test_a_seed_gives_the_same_files_and_threads_do_not_matter(tmp_path: Path) -> None:
    runs = {"one": "1", "again": "1", "two": "2"}
    begun = [
        subprocess.Popen(
            [sys.executable, str(MAKE), "attributor", str(tmp_path / name)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)},
        )
        for name, threads in runs.items()
    ]
    assert [each.wait() for each in begun] == [0, 0, 0]
    for name in (TENSORS_NAME, JSON_NAME):  # no time of day and no id is stored
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    one, two = (
        json.loads((tmp_path / name / "scores.json").read_text())["score"]
        for name in ("one", "two")
    )
    np.testing.assert_allclose(two, one, rtol=TOLERANCE)
