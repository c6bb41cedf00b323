from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.registry import inventory as module
from flipad_ops.registry import tags
from flipad_ops.registry.champions import is_worse, publish
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.inventory import inventory, superseded
from flipad_ops.registry.registering import ensure_model


def add(client: MlflowClient, name: str, **found: str) -> Any:
    ensure_model(client, name)
    return client.create_model_version(name, "s3://bucket/model", tags=found or None)


def attributor(client: MlflowClient, version: str, tpr: float, **more: str) -> Any:
    found = {
        tags.GENERATOR: "g",
        tags.GENERATOR_VERSION: version,
        tags.TPR: str(tpr),
        tags.FPR: "0.0",
        tags.LAYER: "a",
        tags.DECODER: "b",
        tags.CONFIG: "c",
        **more,
    }
    ensure_model(client, "g-attributor")
    return client.create_model_version("g-attributor", "s3://bucket/model", tags=found)


def test_inventory(fitted: str) -> None:
    client = MlflowClient(fitted)
    client.register_prompt("greeting", "hello")
    one, two = inventory(tracking_uri=fitted)
    assert (one.uri, one.status, one.attributor, one.current) == (
        "models:/tiny/1", "fitted", "tiny-attributor/1", True,
    )  # fmt: skip
    assert one.tpr is not None
    assert one.tpr > 0.5
    assert one.fpr is not None
    assert not one.missing
    assert (two.version, two.status, two.missing) == ("2", "missing", True)
    client.delete_model_version("tiny-attributor", "1")
    assert inventory("tiny", fitted)[0].status == "missing"


def test_one_pass_however_many(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = MlflowClient(store)
    for _ in range(60):
        add(client, "g")
    calls: list[str] = []
    for name in ("search_model_versions", "search_registered_models", "get_model_version"):
        real = getattr(MlflowClient, name)

        def counted(
            self: Any, *args: Any, method: str = name, real: Any = real, **named: Any
        ) -> Any:
            calls.append(method)
            return real(self, *args, **named)

        monkeypatch.setattr(MlflowClient, name, counted)
    monkeypatch.setattr(module, "PAGE", 25)
    assert [entry.version for entry in inventory(tracking_uri=store)] == [
        str(n) for n in range(1, 61)
    ]
    assert calls == ["search_model_versions"] * 3 + ["search_registered_models"]


def test_champion(store: str) -> None:
    client = MlflowClient(store)
    first = add(client, "g")
    good, bad, better = (attributor(client, "1", tpr) for tpr in (0.99, 0.9, 0.995))
    assert is_worse(bad, good)
    assert not is_worse(good, better)

    def aliases() -> tuple[int, int]:
        return tuple(
            client.get_model_version_by_alias("g-attributor", alias).version
            for alias in ("generator-v1", "current")
        )  # type: ignore[return-value]

    assert publish(client, good, first, force=False)
    assert not publish(client, bad, first, force=False)
    assert aliases() == (1, 1)
    assert publish(client, better, first, force=False)
    assert aliases() == (3, 3)
    assert publish(client, bad, first, force=True)
    assert aliases() == (2, 2)
    assert [str(v.version) for v in superseded(client)] == ["1", "3"]


def test_the_newest_that_is_held_back_is_kept_until_its_generator_has_another(store: str) -> None:
    client = MlflowClient(store)
    first = add(client, "g")
    weak = [attributor(client, "1", 0.9, **{tags.WEAK: "Takes much."}) for _ in range(2)]
    assert [str(v.version) for v in superseded(client)] == ["1"]
    assert publish(client, attributor(client, "1", 0.99), first, force=False)
    client.set_model_version_tag("g", "1", tags.ATTRIBUTOR, "g-attributor/3")
    assert [str(v.version) for v in superseded(client)] == [str(v.version) for v in weak]


def test_current_follows_the_newest_generator(store: str) -> None:
    client = MlflowClient(store)
    first, second = add(client, "g"), add(client, "g")
    for version, generator in (("2", second), ("1", first)):
        assert publish(client, attributor(client, version, 0.99), generator, force=False)
    current = client.get_model_version_by_alias("g-attributor", "current")
    assert current.tags[tags.GENERATOR_VERSION] == "2"


def test_diagnosis(fitted: str) -> None:
    found = diagnose("tiny/1", tracking_uri=fitted)
    assert found.attributable
    assert found.facts["activation"] == "tanh, outputs -1 to 1"
    assert found.facts["attributor"] == "tiny-attributor/1"
    assert "ReLU" in found.facts["features"]
    client = MlflowClient(fitted)
    client.set_model_version_tag("tiny", "1", "flipad.metadata", '{"latent": {"shape": []}}')
    wrong = diagnose("tiny/1", tracking_uri=fitted)
    assert not wrong.attributable
    assert "set_model_version_tag('tiny', '1', 'flipad.metadata'" in wrong.remedy


def test_models_says_why_and_what_next(store: str) -> None:
    client = MlflowClient(store)
    add(client, "a", **{tags.STATUS: tags.FAILED, tags.REASON: "Too few negatives."})
    add(client, "b", **{tags.STATUS: tags.FITTING, tags.RUN: "r17"})
    add(client, "c", **{tags.STATUS: tags.UNATTRIBUTABLE, tags.REASON: "No split."})
    done = CliRunner().invoke(app, ["models", "--tracking-uri", store])
    assert done.stdout.splitlines()[-3:] == [
        "a/1 failed: Too few negatives.",
        "b/1 is being fitted: MLflow run r17",
        "c/1 cannot be attributed: No split.",
    ]
    assert done.stderr.endswith("next: flipadops fit models:/a/1 --negatives FOLDER\n")
