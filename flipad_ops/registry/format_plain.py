"""Weights in a model's artifact folder and the callable that builds their module.

Metadata: {"factory": NAME, "arguments": {...}, "weights": FILE, "weights_key": KEY,
"weights_prefix": PREFIX}. The factory
is code; since whoever writes metadata names it, only installed code that the operator trusts is
called (`known.trusted_factory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import GeneratorUnreadable, UsageError
from flipad_ops.registry.factory import construct
from flipad_ops.registry.known import trusted_factory
from flipad_ops.registry.model_folder import HOW_TO_DESCRIBE, LoadedGenerator, ModelFolder


def is_plain(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """Metadata names a factory."""
    return "factory" in metadata


def read_plain(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """Build the module that the metadata describes.

    Raises
    ------
    GeneratorUnreadable
        An untrusted or unknown factory, no or several weights files, or ones that do not fit.
    """
    name, arguments = metadata["factory"], metadata.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise GeneratorUnreadable(
            'Metadata "factory" must be text and "arguments" a mapping.', remedy=HOW_TO_DESCRIBE
        )
    build = trusted_factory(name)
    weights = _weights(folder, metadata.get("weights"))
    place = [
        None if (each := metadata.get(f"weights_{what}")) is None else str(each)
        for what in ("key", "prefix")
    ]
    try:
        module = construct(name, build, (), arguments, weights, (place[0], place[1]))
    except UsageError as error:
        raise GeneratorUnreadable(str(error)) from error
    return LoadedGenerator(
        module.to(device),
        kind=f"plain artifacts, {weights.name} in the module of {name}",
        runs_on=f"torch, {device}",
        latent_shape=folder.signature_shape,
    )


def _weights(folder: ModelFolder, stated: Any) -> Path:
    if stated is not None:
        path = folder.path(str(stated))
        if not path.is_file():
            raise GeneratorUnreadable(f"The model's artifacts hold no file {str(stated)!r}.")
        return path
    found = folder.find("*.safetensors")
    if len(found) != 1:
        raise GeneratorUnreadable(
            f"The model's artifacts hold {len(found)} .safetensors files.",
            remedy='Name the file of weights in the metadata: {"weights": "FOLDER/FILE"}',
        )
    return found[0]
