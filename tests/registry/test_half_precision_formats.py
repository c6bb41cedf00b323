"""Half precision in the formats that people register: read as its float32 twin is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from torch import nn

from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator, register_generator
from tests.registry import formats
from tests.registry.logged import log_folder
from tests.registry.tiny import tiny_generator


@pytest.mark.parametrize("variant", ["fp16", "bf16"])
@pytest.mark.parametrize("kind", formats.AUTOENCODERS)
def test_a_diffusers_folder_with_a_variant(
    kind: str, variant: str, store: str, tmp_path: Path
) -> None:
    module = formats.autoencoder(kind)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[variant]
    module.to(dtype).save_pretrained(tmp_path / "vae", variant=variant)
    latent = {"shape": [4, 8, 8]}
    uri = log_folder("vae", tmp_path / "vae", store, latent=latent)
    found = diagnose(uri, tracking_uri=store)
    assert found.attributable, found.problem
    split = load_generator(uri, tracking_uri=store)
    latents = split.latent.sample(2, 0)
    with torch.no_grad():
        scaling = getattr(module.config, "scaling_factor", None) or 1.0
        plain = module.float().decode(latents / scaling).sample
    torch.testing.assert_close(split.tail.forward(split.run(latents)[0]), plain)


class Casts(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.bfloat16()

    def forward(self, z: Any) -> Any:
        return self.module(z.bfloat16()).float()


@pytest.mark.parametrize("form", ["half weights", "casts inside"])
def test_registered_from_python(form: str, store: str) -> None:
    module, metadata = tiny_generator(seed=1)
    given = module.half() if form == "half weights" else Casts(module)
    version = register_generator("gan", given, metadata, tracking_uri=store)
    found = diagnose(f"gan/{version}", tracking_uri=store)
    assert found.attributable, found.problem
    assert next(given.parameters()).dtype is not torch.float32  # the caller's stays as it was


def test_a_program_of_half_weights_logged_by_mlflow(store: str) -> None:
    module, metadata = tiny_generator(seed=1)
    mlflow.set_tracking_uri(store)
    mlflow.pytorch.log_model(
        module.half(),
        name="generator",
        registered_model_name="gan",
        input_example=np.zeros((2, 8, 1, 1), np.float16),
        pip_requirements=["torch"],
        metadata={"flipad": metadata},
    )
    found = diagnose("gan/1", tracking_uri=store)
    assert found.attributable, found.problem
