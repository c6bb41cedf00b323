"""Load a registered generator version and split it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.errors import GeneratorUnreadable, LatentUnknown, PickleRefused
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.registry import tags
from flipad_ops.registry.denials import explain_denial
from flipad_ops.registry.formats import LoadedGenerator, ModelFolder, read_generator
from flipad_ops.registry.registering import register_generator
from flipad_ops.registry.store import first_line, no_such_thing, registry_errors, tracking
from flipad_ops.registry.uris import parse_model, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["load_generator", "load_version", "register_generator"]

#: A tag of the model version, or of its model, that adds to or overrides the logged metadata.
METADATA_TAG = "flipad.metadata"


def load_generator(
    uri: str,
    *,
    device: str = "cpu",
    allow_pickle: bool = False,
    tracking_uri: str | None = None,
) -> SplitGenerator:
    """Load and split the version that `uri` names (`models:/NAME/3`, `NAME@alias`, `NAME`).

    Parameters
    ----------
    allow_pickle : bool
        Load pickled models, which run code of their author, if the registered model also has
        the tag `flipad.allow_pickle=true`.

    Raises
    ------
    GeneratorNotFound, GeneratorUnreadable, PickleRefused, LatentUnknown, NotAttributable
    """
    with tracking(tracking_uri) as client:
        version = resolve(client, parse_model(uri))
        return load_version(client, version, device=device, allow_pickle=allow_pickle)


def load_version(
    client: MlflowClient, version: ModelVersion, *, device: str = "cpu", allow_pickle: bool = False
) -> SplitGenerator:
    """Like `load_generator`, for a version already looked up."""
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        folder = ModelFolder.open(download(version, Path(temporary)))
        if folder.is_pickled:
            check_pickle(client, version, allow_pickle)
        loaded = read_generator(folder, device)
    metadata = {**folder.metadata, **tagged_metadata(client, version)}
    return split_loaded(loaded, metadata, version, device)


def split_loaded(
    loaded: LoadedGenerator, metadata: Mapping[str, Any], version: ModelVersion, device: str
) -> SplitGenerator:
    """Split what `read_generator` returned; errors name the version."""
    where = f"models:/{version.name}/{version.version}"
    try:
        return split_generator(
            loaded.forward,
            metadata,
            state=loaded.state,
            batched=loaded.batched,
            device=device,
            name=version.name,
            version=str(version.version),
        )
    except LatentUnknown as error:
        raise LatentUnknown(
            f"{where}: {str(error).rstrip('.')}, or set the version's tag {METADATA_TAG} to "
            '{"latent": {"shape": [...]}}.'
        ) from error


def download(version: ModelVersion, folder: Path) -> Path:
    """Fetch a version's files into `folder`.

    Raises
    ------
    GeneratorUnreadable
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    where = f"models:/{version.name}/{version.version}"
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=where, dst_path=str(folder)))
    except MlflowException as error:
        if no_such_thing(error):
            raise GeneratorUnreadable(f"{where} has no files: {first_line(error)}") from error
        with registry_errors(version.name):
            raise
    except OSError as error:
        reason = explain_denial(error, version.name) or first_line(error)
        raise GeneratorUnreadable(f"The files of {where} cannot be fetched: {reason}") from error


def check_pickle(client: MlflowClient, version: ModelVersion, allow_pickle: bool) -> None:
    """Refuse a pickled model unless both its owner and whoever runs this agreed.

    Raises
    ------
    PickleRefused
    """
    where = f"models:/{version.name}/{version.version}"
    with registry_errors():
        model_tags = client.get_registered_model(version.name).tags
    if model_tags.get(tags.ALLOW_PICKLE, "").lower() != "true":
        raise PickleRefused(
            f"{where} is pickled, and loading it would run code of whoever logged it: log it "
            f"again with serialization_format='pt2', or tag the model {tags.ALLOW_PICKLE}=true."
        )
    if not allow_pickle:
        raise PickleRefused(
            f"{where} is pickled; its owner allows that, and --allow-pickle must allow it too."
        )


def tagged_metadata(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """Metadata that was added after logging, from tags of the model and of the version.

    Raises
    ------
    GeneratorUnreadable
        A tag is not a JSON object.
    """
    with registry_errors():
        model_tags = client.get_registered_model(version.name).tags
    found: dict[str, Any] = {}
    for owner in (model_tags, version.tags):
        text = owner.get(METADATA_TAG)
        if text is None:
            continue
        try:
            fields = json.loads(text)
        except json.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            raise GeneratorUnreadable(
                f"Tag {METADATA_TAG} of {version.name!r} is not a JSON object: {text[:80]!r}."
            )
        found |= fields
    return found
