"""Single-file checkpoints of the Stable Diffusion family, and latents recorded or encoded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import load_generator
from tests.registry import formats
from tests.registry.logged import log_folder

#: Names of diffusers' autoencoder in the latent diffusion code.
TO_LDM = (
    (r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_(.)", r"mid.attn_1.\1"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_shortcut", "nin_shortcut"), (r"conv_norm_out", "norm_out"),
)  # fmt: skip
#: Family: prefix, other names of its checkpoint, latent channels, scale, shift, quant_conv.
FAMILIES: dict[str, tuple[str, str, int, float, float, bool]] = {
    "Stable Diffusion 1 or 2": ("first_stage_model.", "cond_stage_model.transformer.x", 4,
                                0.18215, 0.0, True),
    "SDXL": ("first_stage_model.", "conditioner.embedders.0.x", 4, 0.13025, 0.0, True),
    "SD3": ("first_stage_model.", "model.diffusion_model.joint_blocks.0.x", 16, 1.5305, 0.0609,
            False),
    "FLUX": ("", "", 16, 0.3611, 0.1159, False),
    "FLUX.2": ("", "bn.running_mean", 32, 1.0, 0.0, True),
    "Stable Diffusion": ("", "", 4, 0.18215, 0.0, True),
}  # fmt: skip


def autoencoder(channels: int = 4, quant: bool = True) -> Any:
    from diffusers import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoencoderKL(
            block_out_channels=(32, 64), latent_channels=channels,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            use_quant_conv=quant, use_post_quant_conv=quant,
        ).eval()  # fmt: skip


def ldm_names(state: dict[str, Tensor], levels: int = 2) -> dict[str, Tensor]:
    found = {}
    for name, value in state.items():
        for pattern, other in TO_LDM:
            name = re.sub(pattern, other, name)
        name = re.sub(
            r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name
        )
        name = re.sub(
            r"up_blocks\.(\d)\.upsamplers\.0",
            lambda m: f"up.{levels - 1 - int(m[1])}.upsample",
            name,
        )
        if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name):
            value = value[:, :, None, None]
        found[name] = value.clone()
    return found


def checkpoint(path: Path, family: str, dtype: torch.dtype = torch.float32) -> Any:
    """A checkpoint as the family's are; the autoencoder in it."""
    prefix, other, channels, _, _, quant = FAMILIES[family]
    module = autoencoder(channels, quant)
    names = ldm_names(dict(module.state_dict()))
    if family == "FLUX.2":
        names = {
            f"decoder.{k}"
            if k.startswith("post_")
            else f"encoder.{k}"
            if k.startswith("quant")
            else k: v
            for k, v in names.items()
        }
    state = {f"{prefix}{name}": value.to(dtype) for name, value in names.items()}
    if other:
        state[other] = torch.zeros(3, dtype=dtype)
    save_file(state, path)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_layout(family: str, dtype: torch.dtype, store: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    module = checkpoint(tmp_path / "model" / "all.safetensors", family, dtype).to(dtype).float()
    _, _, channels, factor, shift, _ = FAMILIES[family]
    uri = log_folder("vae", tmp_path / "model", store, latent={"shape": [channels, 8, 8]})
    found = diagnose(uri, tracking_uri=store)
    assert found.attributable, found.problem
    assert f"({family})" in found.facts["artifact"]
    assert found.facts["encoder"] == "its own"
    split = load_generator(uri, tracking_uri=store)
    latents = split.latent.sample(2, 0)
    with torch.no_grad():
        expected = module.decode(latents / factor + shift).sample
    torch.testing.assert_close(split.tail.forward(split.run(latents)[0]), expected)


def test_diffusers_names_and_a_decoder_alone(store: str, tmp_path: Path) -> None:
    module = autoencoder()
    for name, state in (
        ("whole", dict(module.state_dict())),
        ("decoder", {k: v for k, v in ldm_names(dict(module.state_dict())).items()
                     if k.startswith(("decoder.", "post_"))}),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        save_file(state, tmp_path / name / "vae.safetensors")
        uri = log_folder(name, tmp_path / name, store, latent={"shape": [4, 8, 8]})
        found = diagnose(uri, tracking_uri=store)
        assert found.attributable, found.problem
        assert found.facts["encoder"] == ("its own" if name == "whole" else "none")


def test_tiny_in_one_file(store: str, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    (tmp_path / "model").mkdir()
    save_file(AutoencoderTiny().state_dict(), tmp_path / "model" / "taesd.safetensors")
    uri = log_folder("taesd", tmp_path / "model", store, latent={"shape": [4, 4, 4]})
    found = diagnose(uri, tracking_uri=store)
    assert "AutoencoderTiny" in found.facts["artifact"], found.problem


def invoke(*command: str) -> Any:
    return CliRunner().invoke(app, [*command])


def latent_file(path: Path, count: int = 12, channels: int = 4) -> Path:
    values = torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(3))
    if path.suffix == ".npy":
        np.save(path, values.numpy())
    elif path.suffix == ".pt":
        torch.save(values, path)
    else:
        save_file({"z": values}, path)
    return path


@pytest.mark.parametrize("file", ["z.safetensors", "z.npy", "z.pt"])
def test_register_a_checkpoint_with_recorded_latents(file: str, store: str, tmp_path: Path) -> None:
    checkpoint(tmp_path / "sdxl.safetensors", "SDXL")
    path = latent_file(tmp_path / file)
    done = invoke(
        "register", "vae", "--weights", "sdxl.safetensors", "--latents", str(path),
        "--tracking-uri", store,
    )  # fmt: skip
    assert done.stdout == "models:/vae/1\n", done.exception
    found = diagnose("vae/1", tracking_uri=store)
    assert found.facts["latent"] == "[4, 8, 8], recorded (12 of them)"
    assert "SDXL" in found.facts["artifact"]
    version = MlflowClient(store).get_model_version("vae", "1")
    assert version.tags["flipad.inversion_sha256"]
    # The version holds a part of the file; images name the file.
    whole = hashlib.sha256((tmp_path / "sdxl.safetensors").read_bytes()).hexdigest()
    assert load_generator("vae", tracking_uri=store).metadata["checkpoint_sha256"] == whole


@pytest.mark.parametrize("kind", formats.AUTOENCODERS)
def test_register_a_diffusers_folder_from_photographs(
    kind: str, store: str, tmp_path: Path, photos: Path
) -> None:
    formats.autoencoder(kind).save_pretrained(tmp_path / "vae", variant="fp16")
    done = invoke(
        "register", "vae", "--weights", "vae", "--latent", "4,8,8", "--latents", str(photos),
        "--tracking-uri", store,
    )  # fmt: skip
    assert done.stdout == "models:/vae/1\n", done.exception
    found = diagnose("vae/1", tracking_uri=store)
    assert found.facts["latent"] == "[4, 8, 8], recorded (3500 of them)"


def test_a_factory_with_latents(store: str, tmp_path: Path) -> None:
    latents = torch.randn(9, 8, 1, 1)
    save_file({"z": latents}, tmp_path / "z.safetensors")
    command = ["register", "gan", "--factory", "tests.registry.tiny:TinyDcgan", "--latents",
               "z.safetensors", "--tracking-uri", store]  # fmt: skip
    done = invoke(*command)
    assert done.stdout == "models:/gan/1\n", done.exception
    split = load_generator("gan", tracking_uri=store)
    assert split.latent.recorded is not None
    assert torch.equal(split.latent.recorded, latents)


def test_what_is_refused(store: str, tmp_path: Path, photos: Path) -> None:
    checkpoint(tmp_path / "vae.safetensors", "SDXL")
    save_file({"w": torch.zeros(3)}, tmp_path / "plain.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    vae = ["--weights", "vae.safetensors"]
    for options, reason in (
        (["--weights", "plain.safetensors"], "holds no decoder of an autoencoder"),
        ([*vae, "--latents", "nothing"], "neither a file of latents nor a folder"),
        ([*vae, "--latents", "text.safetensors"], "cannot be read as latents"),
        (["--factory", "tests.registry.tiny:TinyDcgan", "--latent", "8,1,1", "--latents",
          str(photos)], "has no encoder"),
        (vae, "does not state its latent shape"),
    ):  # fmt: skip
        done = invoke("register", "vae", *options, "--tracking-uri", store)
        assert reason in str(done.exception)


def test_consistency_decoders_are_said_clearly(store: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"_class_name": "ConsistencyDecoderVAE"}')
    found = diagnose(log_folder("consistency", tmp_path / "model", store), tracking_uri=store)
    assert "by sampling a diffusion model" in found.problem
    assert "--samples" in found.remedy


FRAMES: dict[str, dict[str, Any]] = {
    "AutoencoderKLQwenImage": {"base_dim": 8, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1,
                               "temperal_downsample": [False]},
    "AutoencoderKLWan": {"base_dim": 8, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1,
                         "temperal_downsample": [False]},
    "AutoencoderKLTemporalDecoder": {"block_out_channels": (32, 32), "layers_per_block": 1,
                                     "down_block_types": ("DownEncoderBlock2D",) * 2},
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
def test_decoders_of_frames_say_so(kind: str, store: str, tmp_path: Path) -> None:
    import diffusers

    getattr(diffusers, kind)(**FRAMES[kind]).save_pretrained(tmp_path / "video")
    found = diagnose(log_folder("video", tmp_path / "video", store), tracking_uri=store)
    assert "a 3-d convolution, over frames" in found.problem
    assert "--samples" in found.remedy
