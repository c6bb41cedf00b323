"""The runnable pipelines: from weights to a gate, and every night."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from safetensors.torch import save_file

from flipad_ops.registry.generators import load_generator
from flipad_ops.samples.png import save_png
from tests.e2e.servers import ENVIRONMENT, ROOT
from tests.registry.tiny import small_settings, tiny_generator

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def run(folder: Path, store: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "pipelines" / name), *words],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "MLFLOW_TRACKING_URI": store},
    )  # fmt: skip


def test_from_weights_to_a_gate_and_every_night(store: str, photos: Path, tmp_path: Path) -> None:
    for seed, name in ((1, "one"), (2, "two")):
        module, _ = tiny_generator(seed)
        save_file(module.state_dict(), tmp_path / f"{name}.safetensors")
    (tmp_path / "small.json").write_text(json.dumps(small_settings().to_dict()))
    (tmp_path / "found").mkdir()
    words = [
        "--factory", "tests.registry.tiny:TinyDcgan", "--latent", "8,1,1",
        "--negatives", str(photos), "--target", "found", "--settings", "small.json",
    ]  # fmt: skip
    empty = run(tmp_path, store, "register_fit_scan.py", "tiny", "--weights", "one.safetensors",
                *words)  # fmt: skip
    assert empty.returncode == 5, empty.stderr[-2000:]
    assert "fitted for models:/tiny/1" in empty.stdout
    for number, image in enumerate(load_generator("tiny/1", tracking_uri=store).sample(12, seed=9)):
        save_png(image, tmp_path / "found" / f"{number}.png")
    night = run(tmp_path, store, "nightly.py", "--negatives", str(photos), "--target", "found",
                "--settings", "small.json", "--state", "scan.db")  # fmt: skip
    assert night.returncode in (0, 3), night.stderr[-2000:]
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("flipad scans")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.metrics["scored"] == 12
    wrong = run(tmp_path, store, "nightly.py", "--target", "nowhere")
    assert wrong.returncode == 4
    assert "Traceback" not in wrong.stderr
