"""The generator behind an attributor: loaded for a scan, or a sentence why not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.common.errors import AttributorError, GeneratorUnavailable, UsageError
from flipad_ops.common.exit_codes import ATTRIBUTOR, exit_code
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry import tags
from flipad_ops.registry.generators import METADATA_TAG, load_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.registry.second_witness import PackedGenerator, attach, generator_for, pack
from flipad_ops.registry.shipping import ship
from tests.registry import formats
from tests.registry.tiny import Telling, tiny_generator


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[SplitGenerator]:
    """Every attributor has a second witness, which takes any generator."""
    found: list[SplitGenerator] = []
    for module in ("second_witness", "shipping"):
        monkeypatch.setattr(f"flipad_ops.registry.{module}.has_witness", lambda scorer: True)
    monkeypatch.setattr(Attributor, "bring", lambda self, each: found.append(each), raising=False)
    return found


def facts_of(uri: str, store: str, **changed: Any) -> dict[str, Any]:
    generator = load_generator(uri, tracking_uri=store, allow_pickle=True)
    hashes = {"decoder_sha256": generator.decoder_sha256}
    return {"name": generator.name, "version": generator.version, **hashes, **changed}


def local_folder(store: str, folder: Path) -> str:
    mlflow.set_tracking_uri(store)
    root = mlflow.artifacts.download_artifacts("models:/tiny-attributor/1", dst_path=str(folder))
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return str(Path(root) / "artifacts" / "attributor")


def test_the_generator_that_was_fitted_comes(fitted: str, brought: list[SplitGenerator]) -> None:
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    assert scorer.silent == ""
    (generator,) = brought
    assert (generator.name, generator.version) == ("tiny", "1")
    assert generator.decoder_sha256 == scorer.card.decoder_sha256
    assert generator.why_not_differentiable == ""


def test_a_generator_of_another_range_is_silent(fitted: str, brought: list[SplitGenerator]) -> None:
    stated = '{"output_range": [-2, 2]}'
    MlflowClient(fitted).set_model_version_tag("tiny", "1", METADATA_TAG, stated)
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    assert "has another output range or activation" in scorer.silent
    assert not brought


def test_without_a_second_witness_nothing_is_loaded(
    fitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flipad_ops.registry.second_witness.load_version", pytest.fail)
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    assert scorer.silent == ""
    assert attach(MlflowClient(fitted), scorer) == ""


def test_a_generator_that_is_gone_or_was_altered(
    fitted: str, brought: list[SplitGenerator]
) -> None:
    client = MlflowClient(fitted)
    client.set_model_version_tag("tiny", "1", tags.DECODER, "f" * 64)
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    assert "tiny-attributor/1 is silent: The generator models:/tiny/1 has weights fff" in (
        scorer.silent
    )
    client.delete_model_version("tiny", "1")
    (scorer,) = load_scorers(["tiny-attributor/1"], tracking_uri=fitted)
    assert "models:/tiny/1 cannot be found" in scorer.silent
    assert not brought


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"decoder_sha256": "0" * 64}, "fitted for 000000000000: fit it again"),
        ({"version": "9"}, "cannot be found: .*newest version is 1"),
        ({"name": ""}, "names no registered generator"),
        ({"version": ""}, "names no registered generator"),
        ({"name": "../tiny"}, "cannot be found"),
    ],
)
def test_one_sentence(registered: str, changed: dict[str, str], reason: str) -> None:
    facts = facts_of("tiny/1", registered, **changed)
    with pytest.raises(GeneratorUnavailable, match=reason) as caught:
        generator_for(MlflowClient(registered), facts)
    assert isinstance(caught.value, AttributorError)
    assert exit_code(caught.value) == ATTRIBUTOR
    assert "\n" not in str(caught.value)


def test_a_pickle_needs_both_consents(store: str, tmp_path: Path) -> None:
    module, metadata = tiny_generator(seed=4)
    module.__class__ = Telling
    module.note = str(tmp_path / "note.json")
    mlflow.set_tracking_uri(store)
    mlflow.pytorch.log_model(
        module, name="generator", registered_model_name="old", serialization_format="pickle",
        metadata={"flipad": metadata}, pip_requirements=["torch"],
    )  # fmt: skip
    client = MlflowClient(store)
    facts = {"name": "old", "version": "1", "decoder_sha256": "0" * 64}
    with pytest.raises(GeneratorUnavailable, match="is pickled"):
        generator_for(client, facts, allow_pickle=True)
    client.set_registered_model_tag("old", tags.ALLOW_PICKLE, "true")
    for call in (generator_for, pack):
        with pytest.raises(GeneratorUnavailable, match="--allow-pickle must allow it"):
            call(client, facts)
    assert not (tmp_path / "note.json").exists()
    facts = facts_of("old/1", store)
    assert generator_for(client, facts, allow_pickle=True).why_not_differentiable == ""
    assert pack(client, facts, allow_pickle=True)("cpu").decoder_sha256 == facts["decoder_sha256"]


def test_a_folders_attributor_looks_where_a_registry_is_configured(
    fitted: str, tmp_path: Path, brought: list[SplitGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = local_folder(fitted, tmp_path)
    (scorer,) = load_scorers([folder])
    assert "no registry is configured" in scorer.silent
    assert "models:/tiny/1" in scorer.silent
    assert not brought
    (scorer,) = load_scorers([folder], tracking_uri=fitted)
    assert scorer.silent == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fitted)
    assert load_scorers([folder])[0].silent == ""
    assert len(brought) == 2


def test_workers_without_a_registry_get_it_sent(
    fitted: str, brought: list[SplitGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorers = load_scorers(["tiny"], tracking_uri=fitted)
    sent = pickle.dumps(ship(scorers, fitted))
    monkeypatch.setattr("flipad_ops.registry.second_witness.tracking", pytest.fail)
    (scorer,) = pickle.loads(sent)("cpu")
    assert scorer.silent == ""
    here, there = brought
    assert here.decoder_sha256 == there.decoder_sha256
    latents = here.latent.sample(2, seed=0)
    assert torch.equal(here.pixels(latents), there.pixels(latents))


def test_workers_of_a_silent_witness_are_silent(fitted: str, brought: list[SplitGenerator]) -> None:
    scorers = load_scorers(["tiny"], tracking_uri=fitted)
    MlflowClient(fitted).delete_model_version("tiny", "1")
    shipped = ship(scorers, fitted)
    (scorer,) = shipped("cpu")
    assert "cannot be found" in scorer.silent
    assert scorer.silent == scorers[0].silent
    assert len(brought) == 1


def test_a_worker_that_cannot_read_what_was_sent_says_so(registered: str) -> None:
    facts = facts_of("tiny/1", registered)
    packed = pack(MlflowClient(registered), facts)
    broken = PackedGenerator({"weights.bin": b"?"}, packed.metadata, facts)
    with pytest.raises(GeneratorUnavailable, match="cannot be loaded here: No generator was"):
        broken("cpu")


def test_onnx_and_plain_weights(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIPADOPS_FACTORIES", "tests.registry.tiny")
    mlflow.set_tracking_uri(store)
    formats.log_onnx("gan")
    formats.log_plain("plain", formats.FACTORY, tmp_path / "weights")
    for name in ("gan", "plain"):
        facts = facts_of(f"{name}/1", store)
        loaded = generator_for(MlflowClient(store), facts)
        again = pack(MlflowClient(store), facts)("cpu")
        assert torch.equal(loaded.sample(2, seed=1), again.sample(2, seed=1))


def test_no_such_device_is_said_before_anything(fitted: str) -> None:
    with pytest.raises(UsageError, match="no device"):
        load_scorers(["tiny"], device="quantum", tracking_uri=fitted)
