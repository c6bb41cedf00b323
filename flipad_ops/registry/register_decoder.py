"""Register an autoencoder's decoder from its files; latents that a generator is fed with."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.common.errors import GeneratorUnreadable, UsageError, first_line
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.registry import tags as keys
from flipad_ops.registry.foreign_files import refuse_foreign
from flipad_ops.registry.format_single_file import prefix_of, vae_tensors
from flipad_ops.registry.formats import read_generator
from flipad_ops.registry.model_folder import JSON_NAME, LoadedGenerator, ModelFolder
from flipad_ops.registry.registering import plain_name, register_folder
from flipad_ops.samples.image_space import Images
from flipad_ops.storage.image_folder import image_files, load_commonest, load_folder

FILE = "latents.safetensors"
#: Images encoded at once.
BATCH = 8


def register_decoder(
    name: str,
    weights: Path,
    metadata: Mapping[str, Any],
    *,
    latents: Path | None = None,
    tracking_uri: str | None = None,
) -> str:
    """Log an autoencoder, of a whole checkpoint that part alone, and register it as one version.

    Parameters
    ----------
    weights : Path
        A folder that diffusers wrote, or a single-file checkpoint (.safetensors).
    metadata : mapping
        The "flipad" metadata; the latent's shape is not needed beside `latents`.
    latents : Path, optional
        See `read_latents`.

    Returns
    -------
    str
        The new version.

    Raises
    ------
    UsageError, GeneratorError, DataError
    """
    name = plain_name(name)
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        folder = Path(temporary) / "generator"
        stated = {**metadata, **_stage(weights, folder)}
        opened = ModelFolder.open(folder)
        loaded = read_generator(opened, stated, "cpu")
        if latents is not None:
            found = read_latents(latents, loaded, stated)
            save_file({"latents": found}, folder / FILE)
            stated["latent"] = {"shape": list(found.shape[1:]), "file": FILE}
            loaded = read_generator(opened, stated, "cpu")
        split = _split(loaded, stated, loaded.latents)
        (folder / JSON_NAME).write_text(json.dumps(stated), encoding="utf-8")
        return register_folder(
            name, folder, "generator", f"decoder of {name}", keys.hashes_of(split), tracking_uri
        )


def read_latents(
    path: Path, loaded: LoadedGenerator, metadata: Mapping[str, Any], bits: int = 8
) -> Tensor:
    """Latents (count, *shape), float32, from a file of them or by encoding a folder of images.

    Parameters
    ----------
    path : Path
        A .safetensors, .npy or torch file that holds one tensor; or a folder of own outputs or
        photographs, of which the generator's own encoder makes latents. Larger ones give patches.

    Raises
    ------
    UsageError
        No such file, or no one tensor in it.
    GeneratorUnreadable
        The generator has no encoder.
    DataError
        The folder holds no images.
    """
    if path.is_dir():
        return _encoded(path, loaded, metadata, bits)
    if not path.is_file():
        raise UsageError(f"{path} is neither a file of latents nor a folder of images.")
    try:
        if path.suffix == ".npy":
            held: Any = torch.from_numpy(np.load(path, allow_pickle=False))
        elif path.suffix == ".safetensors":
            held = load_file(path)
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # numpy's, torch's and safetensors' readers fail in many ways
        raise UsageError(f"{path} cannot be read as latents: {first_line(error)}") from error
    tensors = list(held.values()) if isinstance(held, Mapping) else [held]
    if len(tensors) != 1 or not isinstance(tensors[0], Tensor) or tensors[0].dim() < 2:
        raise UsageError(f"{path} must hold one tensor of latents (count, ...).")
    return tensors[0].float().contiguous()


def _encoded(
    folder: Path, loaded: LoadedGenerator, metadata: Mapping[str, Any], bits: int
) -> Tensor:
    encode: Any = getattr(loaded.forward, "encode", None)
    if not callable(encode):
        raise GeneratorUnreadable(
            "The generator has no encoder, so images do not give latents.",
            remedy="Give it a method encode (docs/own-generator.md), or record latents in a file",
        )
    recorded: Tensor | None = None
    if "latent" not in metadata:
        # The images' own size decides: what it gives is encoded again in the generator's units.
        images = load_commonest(folder, bits).images
        with torch.no_grad():
            recorded = torch.cat([encode(some * 2 - 1) for some in torch.split(images[:BATCH], 1)])
        shape = list(recorded.shape[1:])
        metadata = {**metadata, "latent": {"shape": shape, "distribution": "recorded"}}
    split = _split(loaded, metadata, recorded)
    if split.encode is None:
        raise GeneratorUnreadable("The generator's encoder gives no latents of its own shape.")
    settings = FitSettings()
    wanted = settings.own_train + settings.own_calibration + settings.own_test
    read = load_folder(
        folder,
        Images(split.sample_shape, bits),
        max(wanted, len(image_files(folder))),
        patches=True,
    )
    with torch.no_grad():
        found = [split.encode(some).cpu() for some in torch.split(read.images, BATCH)]
    return torch.cat(found).contiguous()


def _split(
    loaded: LoadedGenerator, metadata: Mapping[str, Any], latents: Tensor | None
) -> SplitGenerator:
    return split_generator(
        loaded.forward, metadata, state=loaded.state, latents=latents, batched=loaded.batched
    )


def _stage(weights: Path, folder: Path) -> dict[str, Any]:
    """Copy what is needed of the weights; what the rest of a checkpoint told of them."""
    if weights.is_dir():
        shutil.copytree(weights, folder)
        return {}
    if not weights.is_file():
        raise UsageError(f"{weights} is neither a file nor a folder.")
    refuse_foreign([weights], weights.parent)
    if prefix_of(weights) is None:
        raise UsageError(
            f"{weights.name} holds no decoder of an autoencoder: name the code that its weights "
            "belong to with --factory, and --latent."
        )
    folder.mkdir()
    tensors, stated = vae_tensors(weights)
    save_file(tensors, folder / "autoencoder.safetensors")
    return stated
