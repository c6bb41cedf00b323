"""Load a registered generator version and split it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from flipad_ops.common.devices import check_device
from flipad_ops.common.errors import GeneratorUnreadable, LatentUnknown, PickleRefused, first_line
from flipad_ops.common.untrusted_json import parse
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.registry import tags
from flipad_ops.registry.checkpoints import HELD, held_sha256
from flipad_ops.registry.denials import explain_denial
from flipad_ops.registry.foreign_files import refuse_foreign
from flipad_ops.registry.formats import read_generator
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder
from flipad_ops.registry.registering import register_generator
from flipad_ops.registry.store import no_such_thing, registry_errors, tracking
from flipad_ops.registry.uris import parse_model, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["load_generator", "load_version", "register_generator"]

#: A tag of the model version, or of its model, that adds to or overrides the logged metadata.
METADATA_TAG = "flipad.metadata"


def load_generator(
    uri: str, *, device: str = "cpu", allow_pickle: bool = False, tracking_uri: str | None = None
) -> SplitGenerator:
    """Load and split the version that `uri` names (`models:/NAME/3`, `NAME@alias`, `NAME`).

    Parameters
    ----------
    allow_pickle : bool
        Load pickled models, which run code of their author, if the registered model also has
        the tag `flipad.allow_pickle=true`. They are loaded in a child process.

    Raises
    ------
    GeneratorNotFound, GeneratorUnreadable, PickleRefused, LatentUnknown, NotAttributable
    UsageError
        No such device.
    """
    check_device(device)
    with tracking(tracking_uri) as client:
        version = resolve(client, parse_model(uri))
        return load_version(client, version, device=device, allow_pickle=allow_pickle)


def load_version(
    client: MlflowClient,
    version: ModelVersion,
    *,
    device: str = "cpu",
    allow_pickle: bool = False,
    hashed: bool = False,
) -> SplitGenerator:
    """Like `load_generator`, for a version already looked up and a device that is there.

    Parameters
    ----------
    hashed : bool
        Add the hashes of its weights files to the metadata (`checkpoints.HELD`).
    """
    with fetched(client, version) as (folder, metadata):
        loaded = read_fetched(client, version, folder, metadata, device, allow_pickle)
        if hashed:
            metadata[HELD] = held_sha256(folder.root)
    return split_loaded(loaded, metadata, version, device)


@contextmanager
def fetched(
    client: MlflowClient, version: ModelVersion
) -> Iterator[tuple[ModelFolder, dict[str, Any]]]:
    """A version's files, removed afterwards, and its metadata; GeneratorUnreadable."""
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        folder = ModelFolder.open(download(version, Path(temporary)))
        yield folder, {**folder.metadata, **tagged_metadata(client, version)}


def read_fetched(
    client: MlflowClient,
    version: ModelVersion,
    folder: ModelFolder,
    metadata: Mapping[str, Any],
    device: str,
    allow_pickle: bool,
) -> LoadedGenerator:
    """Make a fetched version run, without splitting it.

    Raises
    ------
    GeneratorUnreadable, PickleRefused
    LatentUnknown
        For a pickle, which cannot be exported without.
    """
    if folder.is_pickled and "factory" not in metadata:
        refuse_foreign(folder.find("*.pth"), folder.root)
        check_pickle(client, version, allow_pickle)
    try:
        return read_generator(folder, metadata, device)
    except LatentUnknown as error:
        raise _unstated(error, version, folder.signature_shape) from error


def split_loaded(
    loaded: LoadedGenerator, metadata: Mapping[str, Any], version: ModelVersion, device: str
) -> SplitGenerator:
    """Split what `read_fetched` returned; errors name the version."""
    if isinstance(loaded.forward, nn.Module):  # nobody trains it; threads may share it
        loaded.forward.requires_grad_(False)
    try:
        return split_generator(
            loaded.forward,
            metadata,
            state=loaded.state,
            latents=loaded.latents,
            batched=loaded.batched,
            device=device,
            name=version.name,
            version=str(version.version),
        )
    except LatentUnknown as error:
        raise _unstated(error, version, loaded.latent_shape) from error


def set_metadata(version: ModelVersion, fields: Mapping[str, Any]) -> str:
    """The line of Python that states metadata of a registered version."""
    return (
        f"MlflowClient().set_model_version_tag({version.name!r}, '{version.version}', "
        f"'{METADATA_TAG}', '{json.dumps(dict(fields))}')"
    )


def _unstated(
    error: LatentUnknown, version: ModelVersion, shape: tuple[int, ...] | None
) -> LatentUnknown:
    if error.remedy:
        return error
    where = f"models:/{version.name}/{version.version}"
    latent = {"shape": list(shape or (100, 1, 1)), "distribution": "normal"}
    known = (
        "the artifact tells the shape, its distribution (normal or uniform) only you know"
        if shape
        else "with your own shape"
    )
    return LatentUnknown(
        f"{where}: {str(error).rstrip('.')}, or set the version's tag {METADATA_TAG} to "
        f"{json.dumps({'latent': latent})}.",
        remedy=f"State the latent ({known}): {set_metadata(version, {'latent': latent})}",
    )


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
        uri = where
        if "@" in version.name:  # which MLflow's URIs take for what precedes an alias
            client = mlflow.MlflowClient()
            uri = client.get_model_version_download_uri(version.name, str(version.version))
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except MlflowException as error:
        if no_such_thing(error):
            raise GeneratorUnreadable(f"{where} has no files: {first_line(error)}") from error
        with registry_errors(version.name):
            raise
    except Exception as error:  # whatever the store's own client raises
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
            f"again with serialization_format='pt2', or tag the model {tags.ALLOW_PICKLE}=true.",
            remedy="Log it again with mlflow.pytorch.log_model(..., serialization_format='pt2', "
            "input_example=<two latents>); or, if you trust whoever logged it, "
            f"MlflowClient().set_registered_model_tag({version.name!r}, '{tags.ALLOW_PICKLE}', "
            "'true') and pass --allow-pickle",
        )
    if not allow_pickle:
        raise PickleRefused(
            f"{where} is pickled; its owner allows that, and --allow-pickle must allow it too.",
            remedy=f"Its owner has set {tags.ALLOW_PICKLE}; pass --allow-pickle as well (for the "
            "hooks: allow_pickle = true under [hooks.fit])",
        )


def stated_sha256(client: MlflowClient, version: ModelVersion) -> str:
    """Content hash of what tags state of a version, which may be corrected after a fit.

    Raises
    ------
    GeneratorUnreadable
        As `tagged_metadata`.
    """
    stated = json.dumps(tagged_metadata(client, version), sort_keys=True)
    return hashlib.sha256(stated.encode()).hexdigest()


def as_it_was(client: MlflowClient, version: ModelVersion) -> bool:
    """Whether tags state the same of a version as when it was last fitted; GeneratorUnreadable."""
    before = version.tags.get(tags.STATED)
    if before is None:  # fitted before this was recorded
        return not tagged_metadata(client, version)
    return before == stated_sha256(client, version)


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
            fields = parse(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise GeneratorUnreadable(
                f"Tag {METADATA_TAG} of {version.name!r} is not a JSON object: {text[:80]!r}."
            )
        found |= fields
    return found
