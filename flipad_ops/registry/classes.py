"""Equivalence classes: versions with the same final layer cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flipad_ops.common.errors import GeneratorNotFound
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import inversion_of, mark
from flipad_ops.registry.denials import unless_denied
from flipad_ops.registry.store import all_pages, registry_errors
from flipad_ops.registry.uris import parse_model, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def same_inversion(client: MlflowClient, hashes: Mapping[str, str]) -> list[ModelVersion]:
    """Generator versions known to have this final layer, of any model, oldest first, but for those
    known to be inverted differently: with another output range, for one.

    Known means tagged: by `register`, `doctor` or a fit. (The same decoder implies the same
    final layer, so one hash decides.)

    Parameters
    ----------
    hashes : mapping
        `tags.LAYER` and, since versions have it, `tags.INVERSION`.
    """
    inversion = hashes.get(tags.INVERSION)
    with registry_errors():
        found = all_pages(
            lambda token: client.search_model_versions(
                f"tags.`{tags.LAYER}` = '{hashes[tags.LAYER]}'", max_results=1000, page_token=token
            )
        )
    generators = [
        version
        for version in found
        if not tags.is_attributor(version.tags)
        and (inversion is None or version.tags.get(tags.INVERSION, inversion) == inversion)
    ]
    return sorted(generators, key=lambda v: (v.creation_timestamp, v.name, int(v.version)))


def class_members(
    client: MlflowClient, version: ModelVersion, hashes: Mapping[str, str]
) -> dict[str, ModelVersion]:
    """The class of `version` by "name/version", itself included; alone, just itself."""
    members = {f"{v.name}/{v.version}": v for v in same_inversion(client, hashes)}
    members.setdefault(f"{version.name}/{version.version}", version)
    return members


def reuse_attributor(
    client: MlflowClient,
    version: ModelVersion,
    members: dict[str, ModelVersion],
    inversion_sha256: str,
) -> ModelVersion | None:
    """Give `version` the attributor of its class, if a member has one that inverts as it does.

    Tags the class on every member and on the attributor, so that findings name all of it.
    """
    own = f"{version.name}/{version.version}"
    for name, member in members.items():
        stated = member.tags.get(tags.ATTRIBUTOR)
        if name == own or not stated:
            continue
        try:
            attributor = resolve(client, parse_model(stated))
        except GeneratorNotFound:  # gone: the next member may have one
            continue
        if not serves(client, attributor, inversion_sha256):
            continue
        with registry_errors():
            mark(
                client,
                version,
                {tags.STATUS: tags.REUSED, tags.ATTRIBUTOR: stated, tags.REASON: None},
            )
            name_class(client, members, attributor, version)
            if attributor.name == tags.attributor_name(version.name):
                alias = tags.version_alias(str(version.version))
                client.set_registered_model_alias(attributor.name, alias, str(attributor.version))
        return attributor
    return None


def serves(client: MlflowClient, attributor: ModelVersion, inversion_sha256: str) -> bool:
    """Whether an attributor inverts as the generator does whose hash that is; of one without the
    tag its files say it."""
    known = attributor.tags.get(tags.INVERSION)
    if known is None:
        from flipad_ops.registry.scorers import from_version

        known = inversion_of(from_version(client, attributor, "cpu").attributor)
    return known == inversion_sha256


def reused_attributor(client: MlflowClient, version: ModelVersion) -> ModelVersion | None:
    """The attributor that an earlier `reuse_attributor` gave to `version`, if it still exists."""
    stated = version.tags.get(tags.ATTRIBUTOR)
    if version.tags.get(tags.STATUS) != tags.REUSED or not stated:
        return None
    try:
        return resolve(client, parse_model(stated))
    except GeneratorNotFound:
        return None


def name_class(
    client: MlflowClient,
    members: dict[str, ModelVersion],
    attributor: ModelVersion,
    version: ModelVersion,
) -> list[str]:
    """Write the members' names on each of them and on their attributor.

    Returns the members that belong to somebody else and that the account may not edit; the
    attributor names them all the same. `version` itself must be editable.
    """
    names = tags.names_text(list(members))
    refused: list[str] = []
    for member in [*members.values(), attributor]:
        values = {tags.CLASS: names if len(members) > 1 else None}
        if member.name in (version.name, tags.attributor_name(version.name)):
            mark(client, member, values)
        else:
            with unless_denied(refused, f"{member.name}/{member.version}"):
                mark(client, member, values)
    return refused
