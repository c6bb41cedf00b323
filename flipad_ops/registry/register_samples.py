"""Register a folder of own samples as the version of a generator whose weights are elsewhere."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from flipad_ops.generators import split_generator
from flipad_ops.registry import tags as keys
from flipad_ops.registry.model_folder import JSON_NAME
from flipad_ops.registry.registering import plain_name, register_folder
from flipad_ops.storage.image_folder import load_commonest

FILE = "samples.safetensors"


def register_samples(
    name: str, folder: Path, *, bits: int = 8, tracking_uri: str | None = None
) -> tuple[str, int, int]:
    """Log the folder's images of the commonest size and register them as one version.

    Returns
    -------
    version : str
    used, left_out : int
        Images registered; files of other sizes or unreadable.

    Raises
    ------
    UsageError, DataError, NotAttributable
    """
    name = plain_name(name)
    loaded = load_commonest(folder, bits)
    stored = torch.from_numpy(loaded.space.to_stored(loaded.images))
    metadata = {"samples": FILE, "bits": bits}
    split = split_generator(
        lambda latents: latents, metadata, state={"samples": stored}, latents=loaded.images * 2 - 1
    )
    tags = keys.hashes_of(split)
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        save_file({"samples": stored}, Path(temporary) / FILE)
        (Path(temporary) / JSON_NAME).write_text(json.dumps(metadata), encoding="utf-8")
        version = register_folder(
            name, Path(temporary), "samples", f"samples of {name}", tags, tracking_uri
        )
    return version, len(loaded), len(loaded.skipped)
