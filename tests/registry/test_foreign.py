"""`doctor` on ten generators of other people's packages: which it takes, and why not the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from safetensors.torch import save_file

from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import METADATA_TAG
from tests.registry import foreign
from tests.registry.logged import log_folder

#: Factory, latent shape, and what must stand in the diagnosis.
SUPPORTED: dict[str, tuple[list[int], dict[str, str]]] = {
    "autoencoder_kl": ([4, 8, 8], {"final layer": "conv2d, weight 3x8x3x3",
                                   "activation": "identity, outputs -1 to 1"}),
    "vq_model": ([4, 8, 8], {"final layer": "conv2d, weight 3x8x3x3",
                             "activation": "identity, outputs -1 to 1"}),
    "autoencoder_tiny": ([4, 8, 8], {"final layer": "conv2d, weight 3x8x3x3",
                                     "activation": "identity, outputs 0 to 1",
                                     "then": "times 2 plus -1"}),
    "autoencoder_dc": ([4, 8, 8], {"final layer": "conv2d, weight 3x8x3x3",
                                   "features": "end in a ReLU (never negative)"}),
    "one_step_unet": ([3, 16, 16], {"final layer": "conv2d, weight 3x8x3x3",
                                    "samples": "[3, 16, 16]"}),
    "diffusion_transformer": ([3, 16, 16], {"before the activation": "patches put in order"}),
    "swin_super_resolution": ([3, 8, 8], {"before the activation": "pixel shuffle by 2"}),
    "pythae_decoder": ([16], {"final layer": "conv_transpose2d", "activation": "sigmoid",
                              "samples": "[1, 28, 28]"}),
}  # fmt: skip
REFUSED: dict[str, tuple[list[int], str]] = {
    "temporal_decoder": ([4, 8, 8], "a 3-d convolution"),
    "pythae_flow": ([12], "something other than an activation follows it"),
}


def test_ten_are_asked() -> None:
    assert len(SUPPORTED) + len(REFUSED) == 10


def log(name: str, folder: Path, store: str, **stated: Any) -> None:
    """Weights and the factory that they belong to, as docs/registry.md shows."""
    folder.mkdir()
    save_file(
        {key: value.clone() for key, value in getattr(foreign, name)().state_dict().items()},
        folder / "weights.safetensors",
    )
    log_folder(name, folder, store, factory=f"tests.registry.foreign:{name}", **stated)


@pytest.fixture(autouse=True)
def _allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLIPADOPS_FACTORIES", "tests.registry.foreign")


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported(name: str, store: str, tmp_path: Path) -> None:
    shape, facts = SUPPORTED[name]
    log(name, tmp_path / "model", store, latent={"shape": shape})
    found = diagnose(f"{name}/1", tracking_uri=store)
    assert found.attributable, found.problem
    for label, text in facts.items():
        assert text in found.facts[label]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name: str, store: str, tmp_path: Path) -> None:
    shape, reason = REFUSED[name]
    log(name, tmp_path / "model", store, latent={"shape": shape})
    found = diagnose(f"{name}/1", tracking_uri=store)
    assert not found.attributable
    assert reason in found.problem
    assert found.remedy


def test_supported_with_metadata(store: str, tmp_path: Path) -> None:
    """What only the owner knows is asked for, and stating it is enough."""
    name = "pythae_decoder"
    log(name, tmp_path / "model", store)
    before = diagnose(f"{name}/1", tracking_uri=store)
    assert not before.attributable
    assert "does not state its latent shape" in before.problem
    assert METADATA_TAG in before.remedy
    stated = json.dumps({"latent": {"shape": [16], "distribution": "normal"}})
    MlflowClient(store).set_model_version_tag(name, "1", METADATA_TAG, stated)
    after = diagnose(f"{name}/1", tracking_uri=store)
    assert after.attributable, after.problem
