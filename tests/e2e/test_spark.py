"""The attributor as a Spark UDF, on a real local Spark."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.samples.png import save_png
from tests.e2e.servers import ENVIRONMENT

pytestmark = pytest.mark.e2e


def need_spark() -> None:
    """Skip without PySpark or Java (fail where everything is required)."""
    java = shutil.which("java") or os.environ.get("JAVA_HOME")
    if java and importlib.util.find_spec("pyspark"):
        return
    if os.environ.get("FLIPADOPS_REQUIRE_ALL"):
        pytest.fail("PySpark and Java are required here")
    pytest.skip("needs PySpark and Java 17 or newer")


def test_spark_scores_like_the_library(fitted: str, tmp_path: Path) -> None:
    need_spark()
    folder = tmp_path / "images"
    folder.mkdir()
    images = load_generator("tiny/1", tracking_uri=fitted).sample(3, seed=5)
    for index, image in enumerate(images):
        save_png(image, folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"not an image")
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    expected = scorer.score(images)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.spark_score", str(folder), "models:/tiny-attributor/1"],
        capture_output=True, text=True, cwd=tmp_path,
        env={**ENVIRONMENT, "MLFLOW_TRACKING_URI": fitted, "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout)
    for index in range(3):
        row = rows[f"{index}.png"]
        assert row["score"] == pytest.approx(expected.score[index], rel=1e-5)
        assert row["p"] == pytest.approx(expected.p[index])
        assert row["attributed"] == expected.attributed[index]
        assert row["error"] == ""
    broken = rows["broken.png"]
    assert (broken["score"], broken["attributed"]) == (None, False)
    assert "image format" in broken["error"]
