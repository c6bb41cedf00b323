"""How a user names a registered model: `models:/NAME/3`, `NAME@alias`, `NAME`, ..."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flipad_ops.common.errors import GeneratorNotFound, UsageError
from flipad_ops.common.near_names import did_you_mean
from flipad_ops.registry.store import no_such_thing, registry_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_PATTERN = re.compile(
    r"(?:models:/)?(?P<name>[^/@:][^/:]*?)(?:/(?P<version>\d+|latest)|@(?P<alias>[\w-]+))?/?"
)
#: Registered models among which one is looked for that was meant.
NAMES = 1000
HOW_TO_NAME = "write models:/NAME/VERSION, models:/NAME@ALIAS or NAME"


@dataclass(frozen=True)
class ModelRef:
    """A registered model, with a version or an alias or neither (its newest version)."""

    name: str
    version: str | None = None
    alias: str | None = None

    def __str__(self) -> str:
        if self.version:
            return f"models:/{self.name}/{self.version}"
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}"


def parse_model(text: str) -> ModelRef:
    """Read any of the spellings, MLflow's `models:/NAME/latest` too; a UsageError otherwise.

    The last `@` stands before an alias; `resolve` also knows names that hold one.
    """
    found = _PATTERN.fullmatch(text.strip())
    if found is None or not found["name"].strip():
        raise UsageError(f"{text!r} does not name a registered model: {HOW_TO_NAME}.")
    version = found["version"]
    number = None if version in (None, "latest") else str(int(version))
    return ModelRef(found["name"], number, found["alias"])


def resolve(client: MlflowClient, ref: ModelRef) -> ModelVersion:
    """The model version that `ref` names now, with its aliases.

    Raises
    ------
    GeneratorNotFound
        No such model, version or alias.
    """
    from mlflow.exceptions import MlflowException

    try:
        if ref.alias:
            return client.get_model_version_by_alias(ref.name, ref.alias)
        version = ref.version or newest_version(client, ref.name)
        return client.get_model_version(ref.name, version)
    except MlflowException as error:
        if no_such_thing(error):
            whole = f"{ref.name}@{ref.alias}"
            if ref.alias and _newest(client, whole):
                return resolve(client, ModelRef(whole))
            raise GeneratorNotFound(_missing(client, ref)) from error
        with registry_errors(ref.name):
            raise


def newest_version(client: MlflowClient, name: str) -> str:
    """The highest version number of a registered model.

    Raises
    ------
    GeneratorNotFound
    """
    found = _newest(client, name)
    if not found:
        near = _near(client, name)
        raise GeneratorNotFound(f"No registered model {name!r} with a version{near}")
    return str(found[0].version)


def quoted(value: str) -> str:
    """A value for a search filter, in quotes.

    Raises
    ------
    UsageError
        It holds both kinds of quotes: MLflow's filters have no way to write that.
    """
    if "'" not in value:
        return f"'{value}'"
    if '"' in value:
        raise UsageError(f"{value!r} holds both kinds of quotes and cannot be searched for.")
    return f'"{value}"'


def _newest(client: MlflowClient, name: str) -> list[ModelVersion]:
    with registry_errors():
        return client.search_model_versions(
            f"name = {quoted(name)}", max_results=1, order_by=["version_number DESC"]
        )


def _missing(client: MlflowClient, ref: ModelRef) -> str:
    versions = _newest(client, ref.name)
    if not versions:
        return f"No registered model {ref.name!r}{_near(client, ref.name)}"
    what = f"alias {ref.alias!r}" if ref.alias else f"version {ref.version}"
    return f"Model {ref.name!r} has no {what}; its newest version is {versions[0].version}."


def _near(client: MlflowClient, name: str) -> str:
    """The end of a sentence about a name that is not there."""
    with registry_errors():
        models = client.search_registered_models(max_results=NAMES)
    return did_you_mean(name, (model.name for model in models))
