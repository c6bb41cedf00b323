"""Models of any name that MLflow takes, and a stranger's models that are named like attributors."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.common.errors import UsageError
from flipad_ops.registry import tags
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import register_generator
from flipad_ops.registry.inventory import inventory, superseded
from flipad_ops.registry.scorers import attributor_version, current_attributors
from flipad_ops.registry.store import tracking
from flipad_ops.registry.uris import newest_version, parse_model, resolve
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry.tiny import small_settings, tiny_generator

STRANGER = "marketing-attributor"


@pytest.mark.parametrize(
    "name",
    ["it's", "a b", "a\\b", "team@gan", 'say "x"', "100%", "ünïcode", "x-attributor", "tail\\"],
)
def test_names_that_mlflow_takes(name: str, store: str) -> None:
    client = MlflowClient(store)
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, "s3://bucket/model")
    assert newest_version(client, name) == "2"
    for text in (name, f"models:/{name}", f"models:/{name}/2", f"models:/{name}/latest"):
        found = resolve(client, parse_model(text))
        assert (found.name, str(found.version)) == (name, "2")
    client.set_registered_model_alias(name, "prod", "1")
    assert str(resolve(client, parse_model(f"{name}@prod")).version) == "1"
    assert [entry.uri for entry in inventory(tracking_uri=store)] == [
        f"models:/{name}/1", f"models:/{name}/2",
    ]  # fmt: skip


def test_both_kinds_of_quotes_are_refused_in_a_sentence(store: str) -> None:
    client = MlflowClient(store)
    client.create_registered_model("""it's "x\"""")
    with pytest.raises(UsageError, match="holds both kinds of quotes"):
        newest_version(client, """it's "x\"""")


@pytest.mark.parametrize("name", ["it's", "a b", "a\\b", "team@gan"])
def test_a_fit_of_such_a_name(name: str, store: str) -> None:
    client = MlflowClient(store)
    for seed, model in ((1, "tiny"), (2, "tiny")):
        register_generator(model, *tiny_generator(seed), tracking_uri=store)
    client.rename_registered_model("tiny", name)
    outcome = fit(FitRequest(f"models:/{name}/1", settings=small_settings(), tracking_uri=store))
    assert (outcome.attributor, outcome.version) == (f"{name}-attributor", "1")
    assert fit(
        FitRequest(f"models:/{name}/1", settings=small_settings(), tracking_uri=store)
    ).status == "exists"  # fmt: skip
    found = attributor_version(client, parse_model(f"models:/{name}/1"))
    assert found.name == f"{name}-attributor"


@pytest.fixture
def marketing(registered: str) -> Any:
    """A stranger's model beside a generator `marketing`, with versions and the alias `current`."""
    client = MlflowClient(registered)
    client.create_registered_model(STRANGER, tags={"team": "marketing"})
    for _ in range(3):
        client.create_model_version(STRANGER, "s3://bucket/model")
    client.set_registered_model_alias(STRANGER, "current", "1")
    register_generator("marketing", *tiny_generator(seed=2), tracking_uri=registered)
    return registered, client


def test_prune_leaves_a_strangers_model_alone(marketing: tuple[str, MlflowClient]) -> None:
    uri, client = marketing
    assert superseded(client) == []
    done = CliRunner().invoke(app, ["prune", "--yes", "--tracking-uri", uri])
    assert done.exit_code == 0, done.output
    assert len(client.search_model_versions(f"name = '{STRANGER}'")) == 3


def test_a_fit_does_not_move_a_strangers_alias(marketing: tuple[str, MlflowClient]) -> None:
    uri, client = marketing
    request = FitRequest("marketing", settings=small_settings(), tracking_uri=uri)
    with pytest.raises(UsageError, match="'marketing-attributor' is somebody's own") as caught:
        fit(request)
    assert "rename it" in str(caught.value)
    model = client.get_registered_model(STRANGER)
    assert {name: str(version) for name, version in model.aliases.items()} == {"current": "1"}
    assert model.tags == {"team": "marketing"}
    # The remedy, followed.
    client.rename_registered_model(STRANGER, "attributes of marketing")
    assert fit(request).attributor == "marketing-attributor"


def test_a_strangers_model_is_a_model_like_any_other(marketing: tuple[str, MlflowClient]) -> None:
    uri, _ = marketing
    names = {entry.name for entry in inventory(tracking_uri=uri)}
    assert names == {"tiny", "marketing", STRANGER}
    found = diagnose(f"{STRANGER}/1", tracking_uri=uri)  # no attributor, and says what is there
    assert not found.attributable


def test_attributors_are_found_whatever_they_are_called(fitted: str) -> None:
    with tracking(fitted) as client:
        client.rename_registered_model("tiny-attributor", "fingerprints")
        assert [version.name for version in current_attributors(client)] == ["fingerprints"]
        assert attributor_version(client, parse_model("fingerprints")).name == "fingerprints"
        assert {entry.name for entry in inventory(tracking_uri=fitted)} == {"tiny"}
        version = client.get_model_version("fingerprints", "1")
        assert tags.is_attributor(version.tags)
        with pytest.raises(UsageError, match="is an attributor; name the generator"):
            diagnose("fingerprints/1", tracking_uri=fitted)
