"""Decoders of latent diffusion and of autoregressive models: diffusers' own classes, trained for
some seconds, registered as pipelines, fitted and scanned by the commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from flipad_ops.inversion.crop import CropInverter
from flipad_ops.registry.scorers import load_scorers
from tests.e2e.domains import OWN, SMALL, House, descend, patches

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SIZE = 16


def trained(kind: str) -> Any:
    """AutoencoderKL (Stable Diffusion, SDXL, FLUX) or VQModel (LDM, VQ-Diffusion, aMUSEd)."""
    import diffusers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = getattr(diffusers, kind)(
            block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, sample_size=SIZE,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )  # fmt: skip
        images = patches("generator", 256, SIZE) * 2 - 1

        def loss() -> Tensor:
            batch = images[torch.randint(len(images), (16,))]
            if kind == "VQModel":
                h = module.encode(batch).latents
                _, commitment, _ = module.quantize(h)
                return (module.decode(h).sample - batch).square().mean() + commitment.mean()
            return (module(batch).sample - batch).square().mean()  # type: ignore[no-any-return]

        descend(module, loss, steps=60)
    return module.eval()


@torch.no_grad()
def encoded(module: Any, count: int, seed: int) -> Tensor:
    """Latents as a pipeline's denoiser would hand them over."""
    images = patches("generator", count, SIZE) * 2 - 1
    found = module.encode(images)
    z = found.latents if hasattr(found, "latents") else found.latent_dist.mean
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed))
    return (z + 0.1 * z.std() * noise) * module.config.scaling_factor


def pipeline(folder: Path, name: str, module: Any, latents: Tensor) -> Path:
    """A folder as diffusers writes it, with recorded latents and a word about them."""
    place = "vae" if "KL" in type(module).__name__ else "vqvae"
    module.save_pretrained(folder / place)
    index = {"_class_name": name, place: ["diffusers", type(module).__name__]}
    (folder / "model_index.json").write_text(json.dumps(index))
    save_file({"latents": latents.contiguous()}, folder / "latents.safetensors")
    stated = {"latent": {"shape": list(latents.shape[1:]), "file": "latents.safetensors"}}
    (folder / "flipad.json").write_text(json.dumps(stated))
    return folder


@pytest.mark.parametrize(("kind", "window"), [("AutoencoderKL", 0), ("VQModel", 8)])
def test_register_doctor_fit_scan(store: str, tmp_path: Path, kind: str, window: int) -> None:
    """Whole images, and with the setting `window` the central square of them alone."""
    house = House(tmp_path, store)
    module = trained(kind)
    folder = pipeline(tmp_path / "first", "FirstPipeline", module, encoded(module, OWN, 1))
    house.log_folder("decoder", folder)
    found = house.doctor("decoder/1")
    assert found["final layer"].startswith("conv2d, weight 3x8x3x3, bias, [8, 16, 16]")
    assert found["activation"] == "identity, outputs -1 to 1"
    assert f"decoder of {kind}" in found["artifact"]
    assert found["latent"] == f"[4, 8, 8], recorded ({OWN} of them)"

    settings = replace(SMALL, window=window)
    assert house.fit("decoder/1", settings)["status"] == "fitted"
    with torch.no_grad():
        latents = encoded(module, 40, seed=9) / module.config.scaling_factor
        own = ((module.decode(latents).sample + 1) / 2).clamp(0, 1)  # as pipelines do
    tpr, separation = house.scan("decoder", own)
    assert tpr >= 0.7  # 0.95 were asked for; 40 images
    assert separation >= 0.9
    if window:
        (scorer,) = load_scorers(["decoder"], tracking_uri=store)
        attributor = scorer.attributor  # type: ignore[attr-defined]
        assert isinstance(attributor._inverter, CropInverter)
        assert attributor.invert(own[:2]).z.shape == (2, 8, window, window)
        assert attributor.score(own[:2]).residual.shape == own[:2].shape
        return

    # Another pipeline around the same decoder cannot be told apart, and takes its attributor.
    other = pipeline(tmp_path / "second", "SecondPipeline", module, encoded(module, OWN, 2))
    house.log_folder("other", other)
    both = house.doctor("other/1")
    assert both["decoder sha256"] == found["decoder sha256"]
    assert both["equivalence class"] == "decoder/1, other/1 (cannot be told apart)"
    assert house.fit("other/1", settings)["status"] == "reused"
