"""Register a generator the way a fit can use it: pt2, any batch size, latent stated."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file

from flipad_ops.common.errors import GeneratorUnreadable, UsageError, first_line
from flipad_ops.common.extras import need
from flipad_ops.generators import LatentSpec, split_generator
from flipad_ops.generators.conditions import conditioned
from flipad_ops.generators.full_precision import widened
from flipad_ops.registry import tags as keys
from flipad_ops.registry.denials import denied
from flipad_ops.registry.store import no_such_thing, registry_errors, tracking
from flipad_ops.registry.uris import parse_model

#: Recorded latents as a version holds them.
LATENTS = "latents.safetensors"

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register_generator(
    name: str,
    module: torch.nn.Module,
    metadata: Mapping[str, Any],
    *,
    tracking_uri: str | None = None,
    tags: Mapping[str, str] | None = None,
    latents: torch.Tensor | None = None,
    check: bool = True,
) -> str:
    """Log `module` as pt2 with a dynamic batch dimension and register it.

    Parameters
    ----------
    module : torch.nn.Module
        Put into evaluation mode. If it takes latents in half precision alone, a float32 copy of
        it is logged.
    metadata : mapping
        The "flipad" metadata: latent (required), activation, output_range.
    latents : Tensor, optional, (count, *shape)
        Recorded ones, logged beside the module.
    check : bool
        Verify the split first, so that a model which no attributor can serve is not registered.

    Returns
    -------
    str
        The new version.

    Raises
    ------
    LatentUnknown, NotAttributable, GeneratorUnreadable, UsageError
    """
    ref = parse_model(name)
    if ref.version or ref.alias:
        raise UsageError(f"{name!r}: a new version gets its number from MLflow; give the name.")
    if ref.name.endswith(keys.SUFFIX):
        raise UsageError(f"Names ending in {keys.SUFFIX} are kept for attributors.")
    if latents is not None:
        shape = list(latents.shape[1:])
        metadata = {**metadata, "latent": {"shape": shape, "file": f"extra_files/{LATENTS}"}}
    latent = LatentSpec.from_metadata(metadata, latents)
    module = conditioned(module.eval(), metadata)
    found = dict(tags or {})
    if check:
        split = split_generator(module, metadata, latents=latents)
        found |= keys.hashes_of(split)
    with (
        tracking(tracking_uri) as client,
        registry_errors(ref.name),
        quiet_mlflow(),
        _beside(latents) as files,
    ):
        model_id = _log(module, latent, {"flipad": dict(metadata)}, files)
        ensure_model(client, ref.name)
        version = client.create_model_version(
            ref.name, f"models:/{model_id}", tags=found, model_id=model_id
        )
    return str(version.version)


def plain_name(name: str) -> str:
    """The name of a model that a generator's files can be registered under.

    Raises
    ------
    UsageError
        A version or alias is named, or the name is kept for attributors.
    """
    ref = parse_model(name)
    if ref.version or ref.alias or ref.name.endswith(keys.SUFFIX):
        raise UsageError(f"{name!r} is no name for a new generator: give a plain name.")
    return ref.name


def register_folder(
    name: str, folder: Path, place: str, run_name: str, tags: dict[str, str],
    tracking_uri: str | None,
) -> str:  # fmt: skip
    """Log a folder's files as artifacts at `place`, and register them as one version."""
    with tracking(tracking_uri) as client, registry_errors(name), quiet_mlflow():
        import mlflow

        ensure_model(client, name)
        with mlflow.start_run(run_name=run_name) as run:
            mlflow.log_artifacts(str(folder), place)
        version = client.create_model_version(
            name, f"{run.info.artifact_uri}/{place}", run_id=run.info.run_id, tags=tags
        )
    return str(version.version)


def ensure_model(client: MlflowClient, name: str, **fields: Any) -> None:
    """Create the registered model unless it exists."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        # A server with permissions denies the sight of what does not exist, too.
        if not (no_such_thing(error) or denied(error)):
            raise
        try:
            client.create_registered_model(name, **fields)
        except MlflowException as other:
            if other.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            if denied(error):
                raise error from None  # it is there, and not for this account


@contextmanager
def _beside(latents: torch.Tensor | None) -> Iterator[list[str] | None]:
    """The file of recorded latents, while it is logged."""
    if latents is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        path = Path(temporary) / LATENTS
        save_file({"latents": latents.float().contiguous()}, path)
        yield [str(path)]


def _log(
    module: torch.nn.Module, latent: LatentSpec, metadata: dict[str, Any], files: list[str] | None
) -> str:
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # Two rows: torch.export turns a batch of one into a constant.
    example = latent.sample(2, seed=0).numpy()
    with torch.no_grad():
        try:
            output = module(torch.from_numpy(example))
        except RuntimeError:
            if (wide := widened(module)) is module:
                raise
            module = wide
            output = module(torch.from_numpy(example))
    if not isinstance(output, torch.Tensor):
        raise GeneratorUnreadable("The generator does not return one tensor.")
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, *latent.shape))]),
        Schema([TensorSpec(np.dtype("float32"), (-1, *output.shape[1:]))]),
    )
    need("pytorch", "Registering a module")
    try:
        info = mlflow.pytorch.log_model(
            module,
            name="generator",
            serialization_format="pt2",
            input_example=example,
            signature=signature,
            metadata=metadata,
            extra_files=files,
            # Inference of requirements starts a Python process for seconds; these suffice.
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
        )
    except MlflowException:
        raise
    except Exception as error:  # torch.export raises what its tracer stumbles over
        raise GeneratorUnreadable(
            f"torch.export cannot trace the generator: {first_line(error)}"
        ) from error
    return str(info.model_id)


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Keep MLflow's advice about requirements and hints off the terminal; errors still show."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
