"""ONNX generators that take more than a latent: as their modules in torch, with gradients."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
import torch
from mlflow import MlflowClient
from torch import Tensor, nn

from flipad_ops.generators import split_generator
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator
from tests.generators.test_differentiable import assert_pixels_are_the_samples
from tests.registry.test_conditions import METADATA, ByClass, Guided
from tests.registry.test_formats import follow

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
GUIDED = {
    "latent": {"shape": [8, 1, 1]},
    "inputs": [{"constant": [0.1, -0.2, 0.3, 0.0, 0.5]}, "latent", {"constant": 0.7}],
}


class Column(ByClass):
    """Its class is a column, int32, as Keras exports it."""

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return super().forward(z, label[:, 0].long())


class Strength(ByClass):
    """Its strength may have no batch dimension."""

    def forward(self, z: Tensor, strength: Tensor) -> Tensor:
        return self.body(z * strength.reshape(-1, 1, 1, 1))


def export(module: nn.Module, arguments: dict[str, Tensor], batched: set[str], path: Path) -> Path:
    torch.onnx.export(
        module.eval(), tuple(arguments.values()), str(path), input_names=list(arguments),
        output_names=["y"], dynamo=False,
        dynamic_axes={name: {0: "n"} for name in batched} | ({"y": {0: "n"}} if batched else {}),
    )  # fmt: skip
    return path


def logged(path: Path, store: str, metadata: dict[str, Any] | None) -> None:
    """As docs/own-generator.md shows it."""
    mlflow.set_tracking_uri(store)
    mlflow.onnx.log_model(
        onnx.load(str(path)), name="generator", registered_model_name="gan",
        metadata=metadata and {"flipad": metadata}, pip_requirements=["onnx"],
    )  # fmt: skip


Z = torch.randn(2, 8, 1, 1, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1])
CASES: dict[str, tuple[nn.Module, dict[str, Tensor], dict[str, Any], set[str]]] = {
    "class": (ByClass(), {"z": Z, "label": LABELS}, METADATA, {"z", "label"}),
    "column": (Column(), {"z": Z, "label": LABELS[:, None].int()}, METADATA, {"z", "label"}),
    "constants": (
        Guided(), {"prompt": torch.zeros(2, 5), "z": Z, "strength": torch.ones(2)}, GUIDED,
        {"prompt", "z", "strength"},
    ),
    "one number": (
        Strength(), {"z": Z, "strength": torch.tensor(1.0)},
        {**METADATA, "inputs": ["latent", {"constant": 0.8}]}, {"z"},
    ),
    "one at a time": (ByClass(), {"z": Z[:1], "label": LABELS[1:]}, METADATA, set()),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_an_onnx_generator_of_several_inputs(store: str, tmp_path: Path, case: str) -> None:
    module, arguments, metadata, batched = CASES[case]
    path = export(module, arguments, batched, tmp_path / "model.onnx")
    logged(path, store, metadata)
    found = diagnose("gan/1", tracking_uri=store)
    assert found.attributable, found.problem
    split = load_generator("gan", tracking_uri=store)
    plain = ByClass() if case == "column" else module  # torch's own takes no column
    expected = split_generator(plain.eval(), metadata)
    torch.testing.assert_close(split.sample(6, 0), expected.sample(6, 0), atol=1 / 254, rtol=0)
    assert_pixels_are_the_samples(split)
    torch.testing.assert_close(split.layer.weight, expected.layer.weight)


def test_doctor_proposes_what_the_inputs_of_onnx_are(store: str, tmp_path: Path) -> None:
    module, arguments, _, batched = CASES["class"]
    logged(export(module, arguments, batched, tmp_path / "model.onnx"), store, None)
    found = diagnose("gan/1", tracking_uri=store)
    assert "takes 2 inputs (z [8, 1, 1] float32, label [] int64)" in found.problem
    follow(re.sub('"classes": 10', '"classes": 3', found.remedy), store)
    after = diagnose("gan/1", tracking_uri=store)
    assert after.attributable, after.problem
    tag = MlflowClient(store).get_model_version("gan", "1").tags["flipad.metadata"]
    assert json.loads(tag)["inputs"] == METADATA["inputs"]
