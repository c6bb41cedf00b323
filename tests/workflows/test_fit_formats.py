"""Each format from registration to a score: register, doctor, fit, score."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from flipad_ops.registry import tags
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry import formats
from tests.registry.tiny import tiny_settings

SMALL = tiny_settings(
    fnr=0.05, own_train=40, own_calibration=30, own_test=20, min_negatives=36, max_negatives=72
)


def log(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "onnx":
        formats.log_onnx("gan")
    elif kind == "batch one":
        formats.log_batch_one("gan")
    elif kind == "plain":
        formats.offer(folder / "site")
        monkeypatch.syspath_prepend(str(folder / "site"))
        formats.log_plain("gan", "tinygan", folder / "plain")
    else:
        formats.log_adapter("gan", formats.save_base(folder / "base"), recorded=128)


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (
            "onnx",
            {
                "artifact": "ends in ConvTranspose then Tanh",
                "runs on": "onnxruntime, CPUExecutionProvider",
                "final layer": "conv_transpose2d, weight 8x3x4x4, bias, [8, 8, 8] to [3, 16, 16]",
            },
        ),
        (
            "batch one",
            {
                "artifact": "mlflow.pytorch, exported program",
                "activation": "tanh, outputs -1 to 1",
                "then": "times 0.5 plus 0.5",
                "samples": "one at a time",
            },
        ),
        (
            "plain",
            {
                "artifact": "plain artifacts, generator.safetensors in the module of tinygan",
                "activation": "tanh, outputs -1",
            },
        ),
        (
            "diffusers",
            {
                "artifact": "whose AutoencoderKL decodes",
                "latent": "[4, 8, 8], recorded (128 of them)",
                "activation": "identity, outputs -1 to 1",
                "final layer": "conv2d, weight 3x8x3x3, bias, [8, 16, 16] to [3, 16, 16]",
            },
        ),
    ],
)
def test_register_doctor_fit_score(
    store: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    facts: dict[str, Any],
) -> None:
    mlflow.set_tracking_uri(store)
    log(kind, tmp_path, monkeypatch)
    mlflow.set_tracking_uri(None)
    found = diagnose("gan/1", tracking_uri=store)
    assert found.attributable, found.problem
    for label, text in facts.items():
        assert text in found.facts[label]
    assert "note" not in found.facts
    for label in ("latent", "final layer sha256", "decoder sha256", "equivalence class"):
        assert found.facts[label]
    asked = FitRequest("gan/1", negatives=(str(photos),), settings=SMALL, tracking_uri=store)
    outcome = fit(replace(asked, accept_weak="so small a fit knows no relatives"))
    assert outcome.status == "fitted"
    assert outcome.evaluation["tpr"]["value"] >= 0.6  # of 20
    assert outcome.evaluation["strata"]["photos"]["auc"] > 0.9
    generator = load_generator("gan/1", tracking_uri=store)
    (scorer,) = load_scorers(["gan"], tracking_uri=store)
    scores = scorer.score(generator.sample(8, seed=77))
    assert scores.attributed.sum() >= 6
    files = (tmp_path / "plain").glob("*.safetensors")
    held = {"plain": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]}
    if kind in ("plain", "batch one"):
        assert list(scorer.card.checkpoints) == held.get(kind, [])
    assert scorer.card.final_layer_sha256 == found.facts["final layer sha256"]
    assert mlflow.MlflowClient(store).get_model_version("gan", "1").tags[tags.STATUS] == "fitted"
