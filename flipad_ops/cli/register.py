"""`flipadops register`: a Python factory and a weights file become a registered generator."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class DistributionChoice(StrEnum):
    """Latent distributions."""

    normal = "normal"
    uniform = "uniform"


class ActivationChoice(StrEnum):
    """Output activations."""

    tanh = "tanh"
    sigmoid = "sigmoid"
    identity = "identity"


def register(
    name: Annotated[str, typer.Argument(help="Name of the registered model.")],
    factory: Annotated[
        str,
        typer.Option(
            help="Callable that builds the generator: package.module:callable, or a name that an "
            "installed package offers."
        ),
    ],
    latent: Annotated[str, typer.Option(help="Shape of one latent, for example 100,1,1.")],
    weights: Annotated[
        Path | None, typer.Option(help="State dict: .safetensors, or a torch file.")
    ] = None,
    weights_key: Annotated[
        str | None, typer.Option(help="Where the state dict sits inside a torch checkpoint.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="Argument of the factory, key=value or just value; repeatable."),
    ] = None,
    distribution: Annotated[
        DistributionChoice, typer.Option(help="Distribution of the latent.")
    ] = DistributionChoice.normal,
    activation: Annotated[
        ActivationChoice | None, typer.Option(help="Output activation, when not found by itself.")
    ] = None,
    output_range: Annotated[
        str | None,
        typer.Option(help="Outputs that are black and white, LOW,HIGH, when not the usual."),
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
) -> None:
    """Register a generator: build it, load its weights, check its split, log it as pt2.

    The factory is code that runs; torch checkpoints are read without unpickling objects.
    """
    from flipad_ops.generators.latent import LatentSpec
    from flipad_ops.registry.factory import build_generator, numbers
    from flipad_ops.registry.generators import register_generator

    shape = tuple(int(n) for n in numbers(latent, whole=True, option="--latent"))
    metadata: dict[str, object] = {"latent": LatentSpec(shape, distribution.value).to_dict()}
    if activation is not None:
        metadata["activation"] = activation.value
    if output_range is not None:
        metadata["output_range"] = numbers(output_range, whole=False, option="--output-range")
    module = build_generator(factory, arg or [], weights, weights_key)
    version = register_generator(name, module, metadata, tracking_uri=tracking_uri)
    sys.stdout.write(f"models:/{name}/{version}\n")
