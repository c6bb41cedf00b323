"""Generators of 16x16 images registered in each format that people use, by its own tools."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.registry.tiny import LATENT, tiny_generator

FACTORY = "tests.registry.tiny:TinyDcgan"


class ToPixels(nn.Module):
    """A tanh generator that returns pixels."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor) -> Tensor:
        return ((self.generator(latents) + 1) / 2).clamp(0, 1)


def onnx_program(module: nn.Module) -> Any:
    """The module as an ONNX model with a dynamic batch dimension."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (torch.zeros(2, 8, 1, 1),), dynamo=True, verbose=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )  # fmt: skip
    assert program is not None
    return program.model_proto


def log_onnx(name: str, seed: int = 1, **fields: Any) -> None:
    """mlflow.onnx, as its documentation shows."""
    module, metadata = tiny_generator(seed)
    fields.setdefault("metadata", {"flipad": metadata})
    mlflow.onnx.log_model(
        onnx_program(module),
        name="generator",
        registered_model_name=name,
        pip_requirements=["onnx"],
        **fields,
    )


def log_batch_one(name: str) -> None:
    """mlflow.pytorch from one example, returning pixels in [0, 1]."""
    module, metadata = tiny_generator(seed=5)
    mlflow.pytorch.log_model(
        ToPixels(module),
        name="generator",
        registered_model_name=name,
        input_example=np.zeros((1, 8, 1, 1), np.float32),
        pip_requirements=["torch"],
        metadata={"flipad": metadata},
    )


def log_plain(name: str, factory: str, folder: Path, seed: int = 6, **fields: Any) -> None:
    """A folder of weights and flipad.json, no MLmodel, as a version of a registered model."""
    folder.mkdir(exist_ok=True)
    save_file(tiny_generator(seed)[0].state_dict(), folder / "generator.safetensors")
    stated = {"factory": factory, "arguments": {"width": 8}, "latent": LATENT, **fields}
    (folder / "flipad.json").write_text(json.dumps(stated))
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "generator")
    client = MlflowClient()
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.info.run_id}/generator", run.info.run_id)


def tiny_autoencoder(seed: int = 0) -> Any:
    """diffusers' AutoencoderKL, random, latents (4, 8, 8) to images (3, 16, 16)."""
    from diffusers import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            sample_size=16,
        ).eval()


#: Kinds of autoencoders that diffusers' pipelines decode with.
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL", "VQModel")


def autoencoder(kind: str, seed: int = 0) -> Any:
    """A random one of each kind, latents (4, 8, 8) to images (3, 16, 16)."""
    import diffusers

    if kind == "AutoencoderKL":
        return tiny_autoencoder(seed)
    blocks = {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
        "latent_channels": 4,
    }
    fields: dict[str, Any] = {
        "AutoencoderTiny": {
            "encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8),
            "num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1), "latent_channels": 4,
        },
        "AsymmetricAutoencoderKL": {
            **blocks, "down_block_out_channels": (8, 16), "up_block_out_channels": (8, 16),
            "sample_size": 16,
        },
        "VQModel": {**blocks, "block_out_channels": (8, 16), "num_vq_embeddings": 16},
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return getattr(diffusers, kind)(**fields[kind]).eval()


def log_adapter(name: str, base: Path, recorded: int = 0) -> None:
    """mlflow.diffusers: a LoRA adapter of a base pipeline in a local folder, with latents."""
    adapter = base.parent / "adapter"
    adapter.mkdir(exist_ok=True)
    weights = {"unet.mid_block.attentions.0.proj_in.lora.down.weight": torch.zeros(2, 4)}
    save_file(weights, adapter / "pytorch_lora_weights.safetensors")
    latent: dict[str, Any] = {"shape": [4, 8, 8]}
    if recorded:
        source = torch.Generator().manual_seed(0)
        save_file(
            {"latents": torch.randn(recorded, 4, 8, 8, generator=source)},
            adapter / "latents.safetensors",
        )
        latent["file"] = "adapter_weights/latents.safetensors"
    mlflow.diffusers.log_model(
        str(adapter),
        str(base),
        name="generator",
        registered_model_name=name,
        pip_requirements=["diffusers"],
        metadata={"flipad": {"latent": latent}},
    )


def save_base(folder: Path, seed: int = 0) -> Path:
    """A pipeline's folder as far as its decoder goes."""
    tiny_autoencoder(seed).save_pretrained(folder / "vae")
    (folder / "model_index.json").write_text(
        json.dumps(
            {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
        )
    )
    return folder


def offer(folder: Path, name: str = "tinygan", value: str = FACTORY) -> None:
    """An installed package that offers a generator; put `folder` on the import path."""
    info = folder / "thirdparty-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flipad_ops.generators]\n{name} = {value}\n")
