from __future__ import annotations

import pytest
from mlflow import MlflowClient

from flipad_ops.common.errors import GeneratorNotFound, UsageError
from flipad_ops.registry.store import tracking
from flipad_ops.registry.uris import ModelRef, parse_model, resolve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:/faces/3", ModelRef("faces", version="3")),
        ("models:/faces@current", ModelRef("faces", alias="current")),
        ("faces", ModelRef("faces")),
        ("faces/12", ModelRef("faces", version="12")),
        ("faces@generator-v1", ModelRef("faces", alias="generator-v1")),
        ("models:/my faces/03", ModelRef("my faces", version="3")),
    ],
)
def test_parse(text: str, expected: ModelRef) -> None:
    assert parse_model(text) == expected
    assert parse_model(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "models:/", "a/b/c", "faces/new", "s3://bucket/x", "@x"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="does not name a registered model"):
        parse_model(text)


def test_resolve(registered: str) -> None:
    with tracking(registered) as client:
        client.set_registered_model_alias("tiny", "prod", "1")
        for text in ("tiny", "tiny/1", "tiny@prod"):
            assert str(resolve(client, parse_model(text)).version) == "1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tiny/7", "has no version 7; its newest version is 1"),
        ("tiny@prod", "has no alias 'prod'"),
        ("huge", "No registered model 'huge'"),
        ("huge/1", "No registered model 'huge'"),
    ],
)
def test_resolve_says_what_is_missing(registered: str, text: str, reason: str) -> None:
    with tracking(registered) as client, pytest.raises(GeneratorNotFound, match=reason):
        resolve(client, parse_model(text))


def test_tracking_puts_the_uri_back(store: str) -> None:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///before.db")
    with tracking(store):
        assert mlflow.get_tracking_uri() == store
    assert mlflow.get_tracking_uri() == "sqlite:///before.db"


@pytest.mark.parametrize("text", ["fases", "models:/fases/1"])
def test_a_name_that_is_nearly_there(text: str, store: str) -> None:
    client = MlflowClient(store)
    client.create_registered_model("faces")
    with pytest.raises(GeneratorNotFound, match="did you mean 'faces'"):
        resolve(client, parse_model(text))
