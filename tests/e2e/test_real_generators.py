"""Real weights of others by the commands: register, doctor, fit, sample, scan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.real_parts.compact_upscaler import compact_upscaler
from benchmarks.real_parts.conditional_wgan import conditional_wgan
from benchmarks.regeneration_parts.folders import real_generators

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        real_generators() is None,
        reason="FLIPAD_REAL_GENERATORS names no folder of real generators.",
    ),
]
SETTINGS = {
    "own_train": 160, "own_calibration": 200, "own_test": 40, "anchor_samples": 200, "students": 0,
    "recompressed": 0, "second_moments": False, "min_negatives": 40, "max_negatives": 300,
    "detector": {"dim": 16, "epochs": 6}, "inversion": {"tolerance": 0.1},
}  # fmt: skip
#: What is registered, how, and what `doctor` must say.
REAL: dict[str, tuple[list[str], list[str]]] = {
    "digits": (
        ["--factory", "benchmarks.real_parts.conditional_wgan:ConditionalWgan", "--latent", "10",
         "--inputs", '["latent", {"classes": 10}]'],
        ["[10], normal, one of 10 classes", "tanh, outputs -1 to 1"],
    ),
    "upscaler": (
        ["--factory", "benchmarks.real_parts.compact_upscaler:CompactUpscaler",
         "--latents", "latents.safetensors"],
        ["pixel shuffle by 4, the enlarged input added", "identity, outputs 0 to 1",
         "[3, 8, 8], recorded (460 of them)", "gradients            reach the latents"],
    ),
}  # fmt: skip


def pictures(count: int) -> torch.Tensor:
    """Small smooth pictures, as an upscaler is fed with."""
    rough = torch.rand(count, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(rough, size=(8, 8), mode="bicubic").clamp(0, 1)
    return ((0.1 + 0.8 * smooth) * 255).round() / 255


@pytest.mark.parametrize("name", REAL)
def test_register_doctor_fit_scan(name: str, store: str, tmp_path: Path, photos: Path) -> None:
    network = conditional_wgan() if name == "digits" else compact_upscaler()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    save_file({"latents": pictures(460)}, tmp_path / "latents.safetensors")
    (tmp_path / "small.json").write_text(json.dumps(SETTINGS))
    options, said = REAL[name]
    environment = {
        **os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore", "COLUMNS": "300",
    }  # fmt: skip

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "flipad_ops", *command], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr[-2000:])
        return done.stdout

    run("register", name, *options, "--weights", "weights.safetensors")
    doctor = run("doctor", f"{name}/1")
    for text in said:
        assert text in doctor
    run("fit", f"{name}/1", "--negatives", str(photos), "--settings", "small.json",
        "--accept-weak", "a test with few foreign images")  # fmt: skip
    run("sample", f"{name}/1", "--count", "30", "--out", "found/ours")
    scanned = run("scan", "found", "--model", f"{name}/1", "--fail-on", "never", "-o", "json")
    images = json.loads(scanned)["images"]
    assert len(images) == 30
    assert sum(image["attributed"] for image in images) >= 27
