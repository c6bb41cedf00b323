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
        str | None,
        typer.Option(
            help="Callable that builds the generator: package.module:callable, or a name that an "
            "installed package offers."
        ),
    ] = None,
    latent: Annotated[
        str | None, typer.Option(help="Shape of one latent, for example 100,1,1.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Folder of own images in place of a model whose weights are not at hand: "
            "attributed without inversion."
        ),
    ] = None,
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
    bits: Annotated[
        int, typer.Option(help="Of the stored images: 8, or 16 for greyscale.", min=8, max=16)
    ] = 8,
    columns: Annotated[
        Path | None,
        typer.Option(
            help="For a table: JSON list of {name, low, high, step}, one for each output; low and "
            "high are the table's values at the ends of the output range."
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
) -> None:
    """Register a generator: build it, load its weights, check its split, log it as pt2. Or
    register its samples, where there are no weights.

    The factory is code that runs; torch checkpoints are read without unpickling objects.
    """
    from flipad_ops.common.errors import UsageError
    from flipad_ops.generators.latent import LatentSpec
    from flipad_ops.registry.factory import build_generator, numbers
    from flipad_ops.registry.generators import register_generator
    from flipad_ops.samples.columns import read_columns

    if samples is not None:
        if factory or latent or weights or columns:
            raise UsageError("--samples stands in place of a model: no --factory, --latent, ...")
        from flipad_ops.registry.register_samples import register_samples

        number, used, left_out = register_samples(
            name, samples, bits=bits, tracking_uri=tracking_uri
        )
        sys.stderr.write(f"{used} samples registered, {left_out} files left out\n")
        sys.stdout.write(f"models:/{name}/{number}\n")
        return
    if factory is None or latent is None:
        raise UsageError("Name a generator with --factory and --latent, or its --samples.")
    shape = tuple(int(n) for n in numbers(latent, whole=True, option="--latent"))
    metadata: dict[str, object] = {"latent": LatentSpec(shape, distribution.value).to_dict()}
    if activation is not None:
        metadata["activation"] = activation.value
    if output_range is not None:
        metadata["output_range"] = numbers(output_range, whole=False, option="--output-range")
    if bits != 8:
        metadata["bits"] = bits
    if columns is not None:
        metadata["columns"] = read_columns(columns).to_list()
    module = build_generator(factory, arg or [], weights, weights_key)
    version = register_generator(name, module, metadata, tracking_uri=tracking_uri)
    sys.stdout.write(f"models:/{name}/{version}\n")
