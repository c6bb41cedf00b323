"""Fits and scores on a device other than the CPU, simulated: nothing on two devices is mixed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.regeneration.regeneration_settings import NO_REGENERATION, RegenerationSettings
from tests.generators.toys import toy
from tests.regeneration.small import LATENTS, generator, images
from tests.simulated_device import DEVICE, Placed, simulated_device

SMALL = {
    "own_train": 40, "own_calibration": 40, "own_test": 16, "anchor_samples": 20, "channels": 4,
    "min_negatives": 24, "max_negatives": 60, "students": 1, "student_steps": 2, "more_null": 0,
}  # fmt: skip
SEARCH = RegenerationSettings(
    encoder_steps=12, encoder_batch=8, first_steps=3, steps=4, batch=8, own=20, foreign=20
)
METADATA = {"latent": {"shape": [LATENTS], "distribution": "normal"}}


def _settings(name: str) -> FitSettings:
    search = SEARCH if name == "default" else NO_REGENERATION
    few = {**SMALL, "students": 0} if name == "paper" else SMALL
    whole = recipe(name, **few)
    quick = replace(whole.detector, epochs=2)
    return replace(whole, regeneration=search, detector=quick)


def _foreign() -> dict[str, ForeignImages]:
    return {
        "sibling": ForeignImages(images(generator(7), 60, 2)[1], sibling=True),
        "other": ForeignImages(images(generator(9), 60, 3)[1]),
    }


def _split(device: str = "cpu") -> SplitGenerator:
    network = generator().to(device)
    return split_generator(network, METADATA, name="small", version="1", device=device)


def test_the_simulated_device_refuses_what_a_gpu_refuses() -> None:
    with simulated_device() as device:
        here, there = torch.ones(3), torch.ones(3, device=device)
        source, rows = torch.Generator(), torch.arange(3)
        wrongs = (
            lambda: here + there,
            lambda: torch.cat([here, there]),
            there.numpy,
            lambda: here[there > 0],
            lambda: there.index_put_((rows,), here),
            lambda: torch.randn(3, device=device, generator=source),
        )
        for wrong in wrongs:
            with pytest.raises((RuntimeError, TypeError)):
                wrong()
        assert (there + 1).sum().item() == 6
        assert isinstance(there[torch.tensor([0, 2])], Placed)
        assert type(there.cpu()) is torch.Tensor
        assert (there * here.to(device)).device.type == DEVICE


@pytest.mark.parametrize("name", ["default", "fast", "paper"])
def test_every_recipe_fits_scores_and_is_stored(name: str, tmp_path: Path) -> None:
    with simulated_device() as device:
        split = _split(device)
        fitted = fit_attributor(split, _foreign(), _settings(name), device=device)
        found = fitted.attributor.score(split.sample(6, 1))
        save_attributor(fitted.attributor, tmp_path)
        again = load_attributor(tmp_path, device)
        if again.regeneration is not None:
            again.bring(split)
        assert (again.second is None) is (fitted.attributor.second is None)
        np.testing.assert_allclose(again.score(split.sample(6, 1)).score, found.score, rtol=1e-3)


def test_scores_of_one_attributor_are_the_same_there(tmp_path: Path) -> None:
    split = _split()
    fitted = fit_attributor(split, _foreign(), _settings("default"))
    pixels = torch.cat([split.sample(6, 1), images(generator(9), 6, 4)[1]])
    here = fitted.attributor.score(pixels)
    save_attributor(fitted.attributor, tmp_path)
    with simulated_device() as device:
        there = load_attributor(tmp_path, device)
        if there.regeneration is not None:
            there.bring(_split(device))
        np.testing.assert_allclose(there.score(pixels).score, here.score, rtol=1e-3)


@pytest.mark.parametrize("kind", ["conv_transpose2d", "linear", "upsample"])
def test_every_kind_of_last_layer_is_inverted_there(kind: str) -> None:
    metadata = {"latent": {"shape": [4]}}
    with simulated_device() as device:
        split = split_generator(toy(kind).to(device), metadata, device=device)
        foreign = {"other": ForeignImages(torch.rand(60, 3, 8, 8).mul(255).round() / 255)}
        fitted = fit_attributor(split, foreign, _settings("fast"), device=device)
        assert np.isfinite(fitted.attributor.score(split.sample(4, 1)).score).all()
