"""The formats in which people register generators: one file and one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from safetensors.torch import load_file
from torch import Tensor

from flipad_ops.common.errors import FlipadError, GeneratorUnreadable, first_line
from flipad_ops.registry.foreign_files import refuse_foreign
from flipad_ops.registry.model_folder import HOW_TO_DESCRIBE, LoadedGenerator, ModelFolder

Reader = Callable[[ModelFolder, Mapping[str, Any], str], LoadedGenerator]


class Format(NamedTuple):
    """A module of this package, its test whether a folder is of the format, and its reader."""

    module: str
    is_it: str
    read: str


#: The first that applies reads; what metadata says of it comes before what files look like.
FORMATS = (
    Format("format_samples", "is_samples", "read_samples"),
    Format("format_plain", "is_plain", "read_plain"),
    Format("format_pytorch", "is_pytorch", "read_pytorch"),
    Format("format_onnx", "is_onnx", "read_onnx"),
    Format("format_single_file", "is_single_file", "read_single_file"),
    Format("format_diffusers", "is_diffusers", "read_diffusers"),
)


def read_generator(
    folder: ModelFolder, metadata: Mapping[str, Any], device: str
) -> LoadedGenerator:
    """Read whatever is there; for a pickle, the caller has checked consent.

    Parameters
    ----------
    metadata : mapping
        The folder's own and what tags add to it.

    Raises
    ------
    GeneratorError
    """
    try:
        loaded = _reader(folder, metadata)(folder, metadata, device)
        if loaded.latents is not None:
            return loaded
        return replace(loaded, latents=_recorded(folder, metadata))
    except FlipadError:
        raise
    except Exception as error:  # torch, onnx and MLflow raise what their readers stumble over
        raise GeneratorUnreadable(
            f"The generator's file cannot be loaded: {first_line(error)}"
        ) from error


def _reader(folder: ModelFolder, metadata: Mapping[str, Any]) -> Reader:
    for each in FORMATS:
        # Imported in turn: a reader may need packages that the others do without.
        module = import_module(f"flipad_ops.registry.{each.module}")
        if getattr(module, each.is_it)(folder, metadata):
            read: Reader = getattr(module, each.read)
            return read
    refuse_foreign(folder.find("*"), folder.root)
    raise GeneratorUnreadable(
        f"No generator was recognised in {folder.summary()}.", remedy=HOW_TO_DESCRIBE
    )


def _recorded(folder: ModelFolder, metadata: Mapping[str, Any]) -> Tensor | None:
    latent = metadata.get("latent")
    name = latent.get("file") if isinstance(latent, Mapping) else None
    if name is None:
        return None
    path = folder.path(str(name))
    if not path.is_file() or path.suffix != ".safetensors":
        raise GeneratorUnreadable(
            f"The artifacts hold no .safetensors file {str(name)!r} of latents."
        )
    tensors = load_file(path)
    if len(tensors) != 1:
        raise GeneratorUnreadable(f"{name!r} holds {len(tensors)} tensors; it must hold one.")
    return next(iter(tensors.values())).float()
