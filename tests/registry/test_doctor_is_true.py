"""What `doctor` accepts, `sample` and a fit accept; what it refuses it says what to do about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from torch import Tensor, nn

from flipad_ops.common.errors import UsageError
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator, register_generator
from flipad_ops.workflows.foreign_sources import check_samples
from tests.generators.toys import Reshape, seeded
from tests.registry.test_formats import follow

METADATA = {"latent": {"shape": [4]}}


def flat(size: int, *shape: int) -> nn.Module:
    ending = [Reshape(*shape)] if shape else []
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, size), nn.Tanh(), *ending
        )
    )  # fmt: skip


def channels(count: int, after: nn.Module | None = None) -> nn.Module:
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(4, 5 * 64), Reshape(5, 8, 8), nn.ReLU(),
            nn.Conv2d(5, count, 3, padding=1), nn.Tanh(), after or nn.Identity(),
        )
    )  # fmt: skip


class First(nn.Module):
    """The remedy: colours alone."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z)[:, :3]
        return images


def accepted(uri: str, store: str, folder: Path) -> bool:
    """Whether `doctor`, `sample` and a fit's first check take it: all of them, or none."""
    found = diagnose(uri, tracking_uri=store)
    split = load_generator(uri, tracking_uri=store)
    try:
        check_samples(split)
        split.space.save(split.sample(2, 0), folder / "out", "x")
        taken = True
    except UsageError:
        taken = False
    assert taken == found.attributable, found.problem
    return taken


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (flat(784), [1, 28, 28]),
        (flat(192), [3, 8, 8]),
        (flat(784, 28, 28), None),
        (flat(784, 1, 28, 28), None),
        (channels(1), None),
        (channels(3), None),
    ],
    ids=["784 in a row", "192 in a row", "28x28", "1x28x28", "grey", "colour"],
)
def test_images_of_any_shape(module: nn.Module, shape: Any, store: str, tmp_path: Path) -> None:
    register_generator("gan", module, METADATA, tracking_uri=store)
    if shape is not None:
        assert not accepted("gan/1", store, tmp_path)
        found = diagnose("gan/1", tracking_uri=store)
        assert "are not images" in found.problem
        assert str(shape) in found.remedy
        follow(found.remedy, store)
    assert accepted("gan/1", store, tmp_path)
    split = load_generator("gan/1", tracking_uri=store)
    assert len(split.sample_shape) == 3
    outputs, z = split.run(split.latent.sample(3, 0))
    assert tuple(outputs.shape[1:]) == split.sample_shape
    rebuilt = split.output_map.activate(split.layer(z)).reshape(outputs.shape)
    torch.testing.assert_close(rebuilt, outputs)
    assert split.why_not_differentiable == ""


@pytest.mark.parametrize("count", [2, 4, 13])
def test_more_channels_than_files_hold(count: int, store: str, tmp_path: Path) -> None:
    register_generator("gan", channels(count), METADATA, tracking_uri=store)
    assert not accepted("gan/1", store, tmp_path)
    found = diagnose("gan/1", tracking_uri=store)
    assert f"Samples have {count} channels" in found.problem
    assert "generator(z)[:, :3]" in found.remedy
    if count > 3:
        register_generator("gan", First(channels(count)).eval(), METADATA, tracking_uri=store)
        assert accepted("gan/2", store, tmp_path)
        found = diagnose("gan/2", tracking_uri=store)
        assert found.facts["before the activation"].startswith("the first 3 channels")


def test_a_shape_that_does_not_fit(store: str) -> None:
    register_generator("gan", flat(784), METADATA, tracking_uri=store)
    client = MlflowClient(store)
    client.set_model_version_tag("gan", "1", "flipad.metadata", '{"image_shape": [1, 20, 20]}')
    found = diagnose("gan/1", tracking_uri=store)
    assert "image_shape [1, 20, 20] is not [channels, height, width] of [784]" in found.problem


REFUSED: dict[str, tuple[nn.Module, list[int], str]] = {
    "1-d": (nn.Sequential(nn.Linear(4, 32), Reshape(4, 8), nn.Conv1d(4, 3, 3), nn.Tanh()), [4],
            "a 1-d convolution"),
    "3-d": (nn.Sequential(nn.Linear(4, 32), Reshape(4, 2, 2, 2), nn.Conv3d(4, 3, 1), nn.Tanh()),
            [4], "a 3-d convolution"),
    "softmax": (channels(3, nn.Softmax(dim=1)), [4], "softmax"),
    "softplus": (channels(3, nn.Softplus()), [4], "softplus"),
    "blur": (channels(3, nn.AvgPool2d(3, 1, 1)), [4], "avg_pool2d"),
    "bilinear": (channels(3, nn.Upsample(scale_factor=2, mode="bilinear")), [4],
                 "upsample_bilinear"),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_endings_say_what_they_are(form: str, store: str) -> None:
    module, shape, what = REFUSED[form]
    latent = {"latent": {"shape": shape}}
    register_generator("gan", module.eval(), latent, tracking_uri=store, check=False)
    found = diagnose("gan/1", tracking_uri=store)
    assert not found.attributable
    assert what in found.problem
    assert found.remedy


def test_no_remedy_that_is_followed_already(store: str) -> None:
    stated = {**METADATA, "activation": "tanh", "output_range": [-1, 1]}
    module = channels(3, nn.Softplus())
    register_generator("gan", module, stated, tracking_uri=store, check=False)
    found = diagnose("gan/1", tracking_uri=store)
    assert not found.attributable
    assert not re.search(r"set_model_version_tag", found.remedy)
