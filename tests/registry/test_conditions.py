"""Generators that take more than a latent: classes, constants, and what `doctor` proposes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from benchmarks.real_parts.conditional_wgan import conditional_wgan
from benchmarks.regeneration_parts.folders import real_generators
from flipad_ops.cli.app import app
from flipad_ops.common.errors import LatentUnknown
from flipad_ops.generators import split_generator
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator, register_generator
from tests.registry.test_formats import follow
from tests.registry.tiny import tiny_generator

INPUTS: list[Any] = ["latent", {"classes": 3}]
METADATA = {"latent": {"shape": [8, 1, 1], "distribution": "normal"}, "inputs": INPUTS}


class ByClass(nn.Module):
    """The tiny generator, its latent moved by a class."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body, _ = tiny_generator(seed=1)
        self.moved = nn.Embedding(classes, 8)
        with torch.no_grad():
            self.moved.weight.copy_(torch.linspace(-1, 1, 8 * classes).reshape(classes, 8))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.body(z + self.moved(label)[:, :, None, None])


class Guided(nn.Module):
    """As text to image: a latent, an embedding of the prompt, a strength."""

    def __init__(self) -> None:
        super().__init__()
        self.body, _ = tiny_generator(seed=1)
        self.project = nn.Linear(5, 8)

    def forward(self, prompt: Tensor, z: Tensor, strength: Tensor) -> Tensor:
        moved = self.project(prompt) * strength[:, None]
        return self.body(z + moved[:, :, None, None])


def test_classes_are_drawn_and_images_are_those_of_the_class() -> None:
    module = ByClass().eval()
    split = split_generator(module, METADATA)
    latents = split.latent.sample(300, 0)
    assert latents.shape == (300, 9)
    labels = ((latents[:, 8] + 1) / 2 * 3).long()
    assert torch.bincount(labels, minlength=3).min() > 70
    with torch.no_grad():
        made = module(latents[:5, :8, None, None], labels[:5])
    torch.testing.assert_close(split.run(latents[:5])[0], made)
    assert split.why_not_differentiable == ""
    assert str(split.latent) == "[8], normal, one of 3 classes"
    weighted = {**METADATA, "inputs": ["latent", {"classes": 3, "weights": [0, 1, 3]}]}
    (choices,) = split.latent.choices
    known = choices[:, 0]
    assert torch.equal(known, latents[:, 8].unique())
    spec = split_generator(module, weighted).latent
    latents = spec.sample(400, 0)
    assert torch.equal(spec.choices[0], choices[1:])
    counts = torch.bincount(((latents[:, 8] + 1) / 2 * 3).long(), minlength=3)
    assert counts[0] == 0
    assert 250 < counts[2] < 350


def test_constants_and_order() -> None:
    module = Guided().eval()
    prompt = [0.1, -0.2, 0.3, 0.0, 1.0]
    metadata = {
        "latent": {"shape": [8, 1, 1]},
        "inputs": [{"constant": prompt}, "latent", {"constant": 0.5}],
    }
    split = split_generator(module, metadata)
    latents = split.latent.sample(3, 0)
    assert latents.shape == (3, 8, 1, 1)
    with torch.no_grad():
        made = module(torch.tensor([prompt] * 3), latents, torch.full((3,), 0.5))
    torch.testing.assert_close(split.run(latents)[0], made)


def test_one_hot() -> None:
    class OneHot(ByClass):
        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            return self.body(z + (label @ self.moved.weight)[:, :, None, None])

    stated = {**METADATA, "inputs": ["latent", {"classes": 3, "one_hot": True}]}
    one, other = split_generator(OneHot(), stated), split_generator(ByClass(), METADATA)
    torch.testing.assert_close(one.sample(4, 0), other.sample(4, 0))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ("latent", "is not a list"),
        ([{"classes": 3}], "must name one latent"),
        (["latent", {"classes": 0}], "is not a number of them"),
        (["latent", {"classes": 2, "weights": [1]}], "weights of 2 classes"),
        (["latent", {"labels": 2}], "holds"),
        (["latent", {"constant": "text"}], "no number or tensor"),
    ],
    ids=["text", "no latent", "no classes", "weights", "unknown", "words"],
)
def test_words_that_make_no_sense(inputs: Any, reason: str) -> None:
    with pytest.raises(LatentUnknown, match=reason):
        split_generator(ByClass(), {**METADATA, "inputs": inputs})


def test_register_generator(store: str) -> None:
    register_generator("gan", ByClass().eval(), METADATA, tracking_uri=store)
    found = diagnose("gan/1", tracking_uri=store)
    assert found.attributable, found.problem
    assert found.facts["latent"] == "[8], normal, one of 3 classes"
    split = load_generator("gan", tracking_uri=store)
    expected = split_generator(ByClass().eval(), METADATA)
    torch.testing.assert_close(split.sample(4, 0), expected.sample(4, 0))
    assert split.layer.sha256() == expected.layer.sha256()


def log_two_inputs(store: str, metadata: dict[str, Any] | None) -> None:
    """mlflow.pytorch as docs/own-generator.md shows it."""
    mlflow.set_tracking_uri(store)
    mlflow.pytorch.log_model(
        ByClass().eval(),
        name="generator",
        registered_model_name="gan",
        serialization_format="pt2",
        input_example=(np.zeros((2, 8, 1, 1), np.float32), np.array([0, 1])),
        signature=ModelSignature(
            inputs=Schema([
                TensorSpec(np.dtype("float32"), (-1, 8, 1, 1), name="z"),
                TensorSpec(np.dtype("int64"), (-1,), name="label"),
            ])
        ),
        pip_requirements=["torch"],
        metadata=metadata and {"flipad": metadata},
    )  # fmt: skip


def test_log_model_with_two_inputs(store: str) -> None:
    log_two_inputs(store, METADATA)
    found = diagnose("gan/1", tracking_uri=store)
    assert found.attributable, found.problem
    expected = split_generator(ByClass().eval(), METADATA)
    split = load_generator("gan", tracking_uri=store)
    torch.testing.assert_close(split.sample(4, 0), expected.sample(4, 0))


def test_doctor_proposes_what_the_inputs_are(store: str) -> None:
    log_two_inputs(store, None)
    found = diagnose("gan/1", tracking_uri=store)
    assert "takes 2 inputs (z [8, 1, 1] float32, label [] int64)" in found.problem
    assert '"inputs": ["latent", {"classes": 10}]' in found.remedy
    follow(re.sub('"classes": 10', '"classes": 3', found.remedy), store)
    after = diagnose("gan/1", tracking_uri=store)
    assert after.attributable, after.problem
    tag = MlflowClient(store).get_model_version("gan", "1").tags["flipad.metadata"]
    assert json.loads(tag)["inputs"] == INPUTS


@pytest.mark.skipif(
    real_generators() is None, reason="FLIPAD_REAL_GENERATORS names no folder of real generators."
)
def test_the_real_conditional_wgan(store: str, tmp_path: Path) -> None:
    save_file(conditional_wgan().state_dict(), tmp_path / "w.safetensors")
    done = CliRunner().invoke(app, [
        "register", "digits", "--factory", "benchmarks.real_parts.conditional_wgan:ConditionalWgan",
        "--weights", "w.safetensors", "--latent", "10", "--inputs", '["latent", {"classes": 10}]',
        "--tracking-uri", store,
    ])  # fmt: skip
    assert done.stdout == "models:/digits/1\n", done.exception
    found = diagnose("digits/1", tracking_uri=store)
    assert found.attributable, found.problem
    assert found.facts["activation"] == "tanh, outputs -1 to 1"
    assert found.facts["gradients"] == "reach the latents"
    assert found.facts["latent"] == "[10], normal, one of 10 classes"
