"""A model version that holds no model: samples of a generator whose weights are not at hand.

Metadata: {"samples": "FILE.safetensors"}; the file holds one tensor, uint8 (n, channels, height,
width), or uint16 for 16-bit images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load_file

from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder


def is_samples(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """Metadata names a file of samples."""
    return "samples" in metadata


def read_samples(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """Read the samples, as outputs in [-1, 1].

    Raises
    ------
    GeneratorUnreadable
    """
    path = folder.path(str(metadata["samples"]))
    if not path.is_file() or path.suffix != ".safetensors":
        raise GeneratorUnreadable(
            f"The model's artifacts hold no .safetensors file {str(metadata['samples'])!r}."
        )
    tensors = list(load_file(path).values())
    tops = {torch.uint8: 255, torch.uint16: 65535}
    if len(tensors) != 1 or tensors[0].dtype not in tops:
        raise GeneratorUnreadable(f"{path.name} must hold one tensor of type uint8 or uint16.")
    samples = tensors[0].to(torch.float32) / tops[tensors[0].dtype]
    return LoadedGenerator(
        lambda latents: latents,
        {"samples": tensors[0]},
        kind=f"{len(samples)} samples, no model: attributed without inversion",
        runs_on="nothing, samples are stored",
        latent_shape=tuple(samples.shape[1:]),
        latents=samples * 2 - 1,
    )
