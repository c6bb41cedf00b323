"""Bring a generator into the registry without code of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flipad_ops.common.errors import UsageError


@dataclass(frozen=True)
class RegisterRequest:
    """A factory and its weights, or samples in place of a model.

    Parameters
    ----------
    name : str
        Of the registered model.
    factory : str or None
        Callable that builds the generator: package.module:callable, or a name that an installed
        package offers. It is code that runs.
    latent : tuple of int or None
        Shape of one latent.
    latents : Path or None
        Recorded latents: a file of one tensor, or a folder of own outputs or photographs that the
        generator's encoder is shown.
    samples : Path or None
        Folder of own images in place of a model whose weights are not at hand.
    weights, weights_key, weights_prefix
        State dict (.safetensors, or a torch file that is read without unpickling objects), where
        it sits inside a checkpoint, and what its names begin with that the module's do not.
    arguments : tuple of str
        Of the factory, key=value or just value.
    inputs : str or None
        Of a generator that takes more than a latent: a JSON list of its arguments in order, see
        `generators.conditions`.
    activation : {"tanh", "sigmoid", "identity"} or None
        Found by itself if None.
    output_range : tuple of float or None
        Outputs that are black and white, when not the usual.
    bits : {8, 16}
        Of the stored images.
    columns : Path or None
        For a table: JSON list of {name, low, high, step}, one for each output.
    """

    name: str
    factory: str | None = None
    latent: tuple[int, ...] | None = None
    latents: Path | None = None
    samples: Path | None = None
    weights: Path | None = None
    weights_key: str | None = None
    weights_prefix: str | None = None
    arguments: tuple[str, ...] = ()
    inputs: str | None = None
    distribution: Literal["normal", "uniform"] = "normal"
    activation: Literal["tanh", "sigmoid", "identity"] | None = None
    output_range: tuple[float, ...] | None = None
    bits: int = 8
    columns: Path | None = None
    tracking_uri: str | None = None


@dataclass(frozen=True)
class RegisterResult:
    """The new version; of samples also how many were used and left out."""

    name: str
    version: str
    samples_used: int = 0
    samples_left_out: int = 0

    @property
    def uri(self) -> str:
        """models:/NAME/VERSION."""
        return f"models:/{self.name}/{self.version}"


def register(request: RegisterRequest) -> RegisterResult:
    """Build the generator, load its weights, check its split, log it; or log an autoencoder's
    files, or samples.

    Raises
    ------
    UsageError
        Neither a factory with a latent nor an autoencoder's weights nor samples, or two of them.
    GeneratorError
        It cannot be built, loaded or split.
    DataError
        The samples cannot serve.
    """
    name, uri = request.name, request.tracking_uri
    if request.samples is not None:
        if request.factory or request.latent or request.weights or request.columns:
            raise UsageError("--samples stands in place of a model: no --factory, --latent, ...")
        from flipad_ops.registry.register_samples import register_samples

        found = register_samples(name, request.samples, bits=request.bits, tracking_uri=uri)
        return RegisterResult(name, *found)
    decoder = request.factory is None and request.weights is not None
    if not decoder and (
        request.factory is None or (request.latent is None and request.latents is None)
    ):
        raise UsageError(
            "Name a generator with --factory and --latent (or --latents), an autoencoder with "
            "--weights alone, or --samples."
        )
    metadata = _metadata(request)
    if request.factory is None and request.weights is not None:
        from flipad_ops.registry.register_decoder import register_decoder

        return RegisterResult(
            name,
            register_decoder(
                name, request.weights, metadata, latents=request.latents, tracking_uri=uri
            ),
        )
    assert request.factory is not None
    from flipad_ops.registry.factory import build_generator
    from flipad_ops.registry.generators import register_generator

    module = build_generator(
        request.factory,
        list(request.arguments),
        request.weights,
        request.weights_key,
        request.weights_prefix,
    )
    recorded = None
    if request.latents is not None:
        from flipad_ops.registry.model_folder import LoadedGenerator
        from flipad_ops.registry.register_decoder import read_latents

        recorded = read_latents(request.latents, LoadedGenerator(module), metadata, request.bits)
    version = register_generator(name, module, metadata, latents=recorded, tracking_uri=uri)
    return RegisterResult(name, version)


def _metadata(request: RegisterRequest) -> dict[str, Any]:
    from flipad_ops.common.untrusted_json import parse
    from flipad_ops.generators.conditions import HOW_TO_STATE
    from flipad_ops.generators.latent import LatentSpec
    from flipad_ops.registry.checkpoints import ORIGINAL, file_sha256
    from flipad_ops.samples.columns import read_columns

    metadata: dict[str, Any] = {}
    if request.weights is not None and request.weights.is_file():
        metadata[ORIGINAL] = file_sha256(request.weights)
    if request.latent is not None:
        metadata["latent"] = LatentSpec(request.latent, request.distribution).to_dict()
    if request.inputs is not None:
        try:
            metadata["inputs"] = parse(request.inputs)
        except ValueError as error:
            raise UsageError(f"--inputs is not JSON: {HOW_TO_STATE}.") from error
    if request.activation is not None:
        metadata["activation"] = request.activation
    if request.output_range is not None:
        metadata["output_range"] = list(request.output_range)
    if request.bits != 8:
        metadata["bits"] = request.bits
    if request.columns is not None:
        metadata["columns"] = read_columns(request.columns).to_list()
    return metadata
