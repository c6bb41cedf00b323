"""Generators registered with mlflow.onnx, or as one .onnx file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipad_ops.common.extras import need
from flipad_ops.generators.conditions import stated_inputs, stated_shape
from flipad_ops.generators.onnx_generator import OnnxGenerator
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder


def is_onnx(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """The flavour, or the only such file."""
    return "onnx" in folder.flavors or len(folder.find("*.onnx")) == 1


def read_onnx(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """Run it with onnxruntime; raises GeneratorError, ExtraMissing."""
    need("onnx", "Reading this version")
    data = folder.flavors.get("onnx", {}).get("data")
    path = folder.path(str(data)) if data else folder.find("*.onnx")[0]
    generator = OnnxGenerator(path, device, stated_inputs(metadata), stated_shape(metadata))
    tail = " then ".join((generator.node.op, *generator.node.tail))
    asked = (
        ""
        if generator.on_device
        else f" ({device} was asked for and is not available to it{_why()})"
    )
    return LoadedGenerator(
        generator,
        generator.state,
        generator.batched,
        kind=f"ONNX, opset {generator.opset}, ends in {tail}",
        runs_on=f"onnxruntime, {generator.provider}{asked}",
        latent_shape=generator.latent_shape or folder.signature_shape,
    )


def _why() -> str:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return ""
    return ": this build is for CPUs, that of flipad-ops[onnx-gpu] is not"
