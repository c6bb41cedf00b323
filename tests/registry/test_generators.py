from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from torch import Tensor

from flipad_ops.common.errors import (
    GeneratorUnreadable,
    LatentUnknown,
    NotAttributable,
    PickleRefused,
    UsageError,
)
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.registry import tags
from flipad_ops.registry.generators import METADATA_TAG, load_generator, register_generator
from tests.registry.tiny import LATENT, Telling, TinyDcgan, tiny_generator


def log(store: str, name: str, module: torch.nn.Module, **fields: Any) -> None:
    """Register as a user without flipad_ops would."""
    mlflow.set_tracking_uri(store)
    mlflow.pytorch.log_model(
        module, name="generator", registered_model_name=name, pip_requirements=["torch"], **fields
    )


def same_samples(a: SplitGenerator, b: SplitGenerator) -> bool:
    return torch.equal(a.sample(5, seed=3), b.sample(5, seed=3))


def test_register_and_load(registered: str) -> None:
    module, metadata = tiny_generator(seed=1)
    loaded = load_generator("models:/tiny/1", tracking_uri=registered)
    direct = split_generator(module, metadata)
    assert (loaded.name, loaded.version, loaded.batched) == ("tiny", "1", True)
    assert loaded.layer.sha256() == direct.layer.sha256()
    assert loaded.decoder_sha256 == direct.decoder_sha256
    assert same_samples(loaded, direct)
    found = MlflowClient(registered).get_model_version("tiny", "1").tags
    assert found[tags.LAYER] == direct.layer.sha256()
    assert found[tags.DECODER] == direct.decoder_sha256


def test_exported_at_batch_one(store: str) -> None:
    module, metadata = tiny_generator(seed=1)
    example = np.zeros((1, 8, 1, 1), np.float32)
    log(store, "one", module, input_example=example, metadata={"flipad": metadata})
    loaded = load_generator("one", tracking_uri=store)
    assert not loaded.batched
    assert torch.allclose(loaded.sample(5, 3), split_generator(module, metadata).sample(5, 3))


def test_latent_can_be_stated_afterwards(store: str) -> None:
    module, _ = tiny_generator(seed=1)
    log(store, "mute", module, input_example=np.zeros((2, 8, 1, 1), np.float32))
    with pytest.raises(LatentUnknown, match=METADATA_TAG):
        load_generator("mute", tracking_uri=store)
    client = MlflowClient(store)
    client.set_model_version_tag("mute", "1", METADATA_TAG, '{"latent": {"shape": [8, 1, 1]}}')
    assert load_generator("mute", tracking_uri=store).sample_shape == (3, 16, 16)
    client.set_model_version_tag("mute", "1", METADATA_TAG, "[8, 1, 1]")
    with pytest.raises(GeneratorUnreadable, match="not a JSON object"):
        load_generator("mute", tracking_uri=store)


def test_pickle_needs_owner_and_caller_and_a_process_of_its_own(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, metadata = tiny_generator(seed=1)
    telling = Telling()
    telling.load_state_dict(module.state_dict())
    telling.note = str(tmp_path / "note.json")
    log(store, "old", telling, serialization_format="pickle", metadata={"flipad": metadata})
    with pytest.raises(PickleRefused, match="serialization_format='pt2'"):
        load_generator("old", tracking_uri=store, allow_pickle=True)
    MlflowClient(store).set_registered_model_tag("old", tags.ALLOW_PICKLE, "true")
    with pytest.raises(PickleRefused, match="--allow-pickle"):
        load_generator("old", tracking_uri=store)
    assert not Path(telling.note).exists()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    loaded = load_generator("old", tracking_uri=store, allow_pickle=True)
    assert same_samples(loaded, split_generator(module, metadata))
    assert loaded.decoder_sha256 == split_generator(module, metadata).decoder_sha256
    told = json.loads(Path(telling.note).read_text())
    assert told["pid"] != os.getpid()
    assert not {"AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"} & set(told["env"])


def test_what_the_unpickling_process_does(tmp_path: Path) -> None:
    from flipad_ops.registry import unpickle

    torch.save({"weights": torch.zeros(3)}, tmp_path / "dict.pth")
    with pytest.raises(TypeError, match="holds a dict"):
        unpickle.main(str(tmp_path / "dict.pth"), str(tmp_path / "x.pt2"), "8,1,1")

    torch.save(OnlyOne(), tmp_path / "one.pth")
    unpickle.main(str(tmp_path / "one.pth"), str(tmp_path / "one.pt2"), "4")
    program = torch.export.load(tmp_path / "one.pt2")
    assert [tuple(v.shape) for v in program.module()(torch.zeros(1, 4)).split(1)] == [(1, 4)]


class OnlyOne(torch.nn.Module):
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.reshape(1, 4).tanh()


def test_logged_code_stays_off_the_import_path(store: str, tmp_path: Path) -> None:
    (tmp_path / "numpy_helpers.py").write_text("raise RuntimeError('imported')\n")
    module, metadata = tiny_generator(seed=1)
    example = np.zeros((2, 8, 1, 1), np.float32)
    code = [str(tmp_path / "numpy_helpers.py")]
    fields = {"input_example": example, "metadata": {"flipad": metadata}, "code_paths": code}
    log(store, "coded", module, **fields)
    before = list(sys.path)
    load_generator("coded", tracking_uri=store)
    assert sys.path == before


def test_other_flavours_are_refused(store: str) -> None:
    mlflow.set_tracking_uri(store)

    class Nothing(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: list[str]) -> list[str]:
            return model_input

    mlflow.pyfunc.log_model(
        name="m", python_model=Nothing(), registered_model_name="py", pip_requirements=["mlflow"]
    )
    with pytest.raises(GeneratorUnreadable, match=r"mlflow\.python_function"):
        load_generator("py", tracking_uri=store)


def test_damaged_file(store: str, tmp_path: Path) -> None:
    register_generator("tiny", *tiny_generator(seed=1), tracking_uri=store)
    (program,) = tmp_path.glob("mlruns/**/model.pt2")
    program.write_bytes(program.read_bytes()[:500])
    with pytest.raises(GeneratorUnreadable, match="cannot be loaded"):
        load_generator("tiny", tracking_uri=store)


def test_refused_registrations_leave_nothing(store: str) -> None:
    module, metadata = tiny_generator(seed=1)
    with pytest.raises(LatentUnknown):
        register_generator("x", module, {}, tracking_uri=store)
    with pytest.raises(UsageError, match="kept for attributors"):
        register_generator("x-attributor", module, metadata, tracking_uri=store)
    with pytest.raises(UsageError, match="gets its number"):
        register_generator("x/3", module, metadata, tracking_uri=store)
    module, _ = tiny_generator(seed=1, activation="softmax")
    with pytest.raises(NotAttributable):
        register_generator("x", module, {"latent": LATENT}, tracking_uri=store)
    assert MlflowClient(store).search_registered_models() == []


class WithoutGradients(TinyDcgan):
    """Generators are often decorated so; an export remembers."""

    @torch.no_grad()
    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents)


@pytest.mark.parametrize("form", ["pt2", "pickle"])
def test_gradients_reach_the_latents_of_a_program_logged_without(store: str, form: str) -> None:
    module, metadata = tiny_generator(seed=1)
    decorated = WithoutGradients()
    decorated.load_state_dict(module.state_dict())
    example = {"input_example": np.zeros((2, 8, 1, 1), np.float32)} if form == "pt2" else {}
    log(store, "quiet", decorated.eval(), serialization_format=form, metadata={"flipad": metadata},
        **example)  # fmt: skip
    MlflowClient(store).set_registered_model_tag("quiet", tags.ALLOW_PICKLE, "true")
    loaded = load_generator("quiet", tracking_uri=store, allow_pickle=True)
    assert loaded.why_not_differentiable == ""
    assert same_samples(loaded, split_generator(module, metadata))
    assert loaded.decoder_sha256 == split_generator(module, metadata).decoder_sha256
