"""Options of `flipadops register`, and what they may be."""

from __future__ import annotations

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


Name = Annotated[str, typer.Argument(help="Name of the registered model.")]
Factory = Annotated[
    str | None,
    typer.Option(
        help="Callable that builds the generator: package.module:callable, or a name that an "
        "installed package offers."
    ),
]
Latent = Annotated[str | None, typer.Option(help="Shape of one latent, for example 100,1,1.")]
Latents = Annotated[
    Path | None,
    typer.Option(
        help="Recorded latents: a file of one tensor (.safetensors, .npy, .pt), or a folder of own "
        "outputs or photographs that the generator's encoder is shown."
    ),
]
Samples = Annotated[
    Path | None,
    typer.Option(
        help="Folder of own images in place of a model whose weights are not at hand: "
        "attributed without inversion."
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="State dict: .safetensors, or a torch file. Without --factory: an autoencoder's "
        "diffusers folder or single-file checkpoint."
    ),
]
WeightsKey = Annotated[
    str | None, typer.Option(help="Where the state dict sits inside a torch checkpoint.")
]
WeightsPrefix = Annotated[
    str | None,
    typer.Option(
        help="What the weights' names begin with and the module's do not (generator.); found by "
        "itself where one makes all of them fit."
    ),
]
Arg = Annotated[
    list[str] | None,
    typer.Option(help="Argument of the factory, key=value or just value; repeatable."),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        help="Arguments of a generator that takes more than a latent, in order, as JSON: "
        '["latent", {"classes": 10}, {"constant": 1.0}].'
    ),
]
Distribution = Annotated[DistributionChoice, typer.Option(help="Distribution of the latent.")]
Activation = Annotated[
    ActivationChoice | None, typer.Option(help="Output activation, when not found by itself.")
]
OutputRange = Annotated[
    str | None, typer.Option(help="Outputs that are black and white, LOW,HIGH, when not the usual.")
]
Bits = Annotated[
    int, typer.Option(help="Of the stored images: 8, or 16 for greyscale.", min=8, max=16)
]
Columns = Annotated[
    Path | None,
    typer.Option(
        help="For a table: JSON list of {name, low, high, step}, one for each output; low and "
        "high are the table's values at the ends of the output range."
    ),
]
