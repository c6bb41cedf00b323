"""Checkpoints as training scripts leave them, and files of other frameworks, which are named."""

from __future__ import annotations

import argparse
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.factory import build_generator
from flipad_ops.registry.foreign_files import recognised
from tests.registry.logged import log_folder
from tests.registry.tiny import LATENT, TinyDcgan, tiny_generator

FACTORY = "tests.registry.tiny:TinyDcgan"
Names = Callable[[str], str]

#: How wrappers name what the module calls `body.0.weight`.
PREFIXED: dict[str, Names] = {
    "DataParallel": lambda name: f"module.{name}",
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "compiled, then parallel": lambda name: f"module._orig_mod.{name}",
    "Lightning": lambda name: f"generator.{name}",
    "nested": lambda name: f"model.networks.G.{name}",
    "compiled inside": lambda name: name.replace("body.", "body._orig_mod."),
    "Lightning, compiled inside": lambda name: f"gan.{name.replace('body.', 'body._orig_mod.')}",
}


def state(names: Names = str) -> dict[str, Tensor]:
    return {names(key): value.clone() for key, value in tiny_generator(3)[0].state_dict().items()}


def assert_reads(path: Path, **options: Any) -> None:
    latent = torch.randn(2, 8, 1, 1)
    built = build_generator(FACTORY, (), path, **options)
    assert torch.equal(built(latent), tiny_generator(3)[0](latent))


@pytest.mark.parametrize("form", PREFIXED)
def test_prefixes_are_stripped_where_that_makes_all_fit(form: str, tmp_path: Path) -> None:
    other = {"discriminator.weight": torch.zeros(3)}
    torch.save({"state_dict": {**state(PREFIXED[form]), **other}, "epoch": 3}, tmp_path / "w.ckpt")
    if form == "compiled inside":  # nothing but the prefix tells the two networks apart
        torch.save({"state_dict": state(PREFIXED[form])}, tmp_path / "w.ckpt")
    assert_reads(tmp_path / "w.ckpt", weights_key="state_dict")


def test_a_stated_prefix_decides_between_two(tmp_path: Path) -> None:
    ema = {key: value + 1 for key, value in state(lambda n: f"ema.{n}").items()}
    save_file({**state(lambda n: f"online.{n}"), **ema}, tmp_path / "w.safetensors")
    with pytest.raises(GeneratorUnreadable, match=r"several prefixes \(ema\., online\.\)"):
        build_generator(FACTORY, (), tmp_path / "w.safetensors")
    for prefix in ("online.", "online"):
        assert_reads(tmp_path / "w.safetensors", weights_prefix=prefix)
    with pytest.raises(GeneratorUnreadable, match=r"No weight.s name begins with .offline\."):
        build_generator(FACTORY, (), tmp_path / "w.safetensors", None, "offline")


def test_what_does_not_fit_is_still_refused(tmp_path: Path) -> None:
    less = state(lambda n: f"module.{n}")
    less.popitem()
    save_file(less, tmp_path / "w.safetensors")
    with pytest.raises(GeneratorUnreadable, match=r"does not fit .*: Error.* loading state_dict"):
        build_generator(FACTORY, (), tmp_path / "w.safetensors")


def test_the_commands_prefix(store: str, tmp_path: Path) -> None:
    both = {**state(lambda n: f"a.{n}"), **state(lambda n: f"b.{n}")}
    save_file(both, tmp_path / "w.safetensors")
    options = ["--factory", FACTORY, "--weights", "w.safetensors", "--tracking-uri", store]
    command = ["register", "made", *options, "--latent", "8,1,1"]
    refused = CliRunner().invoke(app, command)
    assert "--weights-prefix" in str(refused.exception)
    done = CliRunner().invoke(app, [*command, "--weights-prefix", "b"])
    assert done.stdout == "models:/made/1\n"


def test_metadata_states_a_prefix(store: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FLIPADOPS_FACTORIES", "tests.registry.tiny")
    both = {**state(lambda n: f"a.{n}"), **state(lambda n: f"b.{n}")}
    (tmp_path / "model").mkdir()
    save_file(both, tmp_path / "model" / "w.safetensors")
    stated = {"factory": FACTORY, "latent": LATENT, "weights_prefix": "b."}
    uri = log_folder("made", tmp_path / "model", store, **stated)
    assert diagnose(uri, tracking_uri=store).attributable


class Options:
    """An object of a training script."""


def test_options_beside_the_weights(tmp_path: Path) -> None:
    torch.save({"g_ema": state(), "args": argparse.Namespace(size=16)}, tmp_path / "args.pt")
    assert_reads(tmp_path / "args.pt", weights_key="g_ema")
    torch.save({"g_ema": state(), "args": Options()}, tmp_path / "object.pt")
    with pytest.raises(GeneratorUnreadable) as caught:
        build_generator(FACTORY, (), tmp_path / "object.pt", "g_ema")
    text = str(caught.value)
    assert "it holds objects of tests.registry.test_checkpoints.Options" in text
    assert text.isprintable()
    # The remedy, followed.
    loaded = torch.load(tmp_path / "object.pt", weights_only=False)
    torch.save(loaded["g_ema"], tmp_path / "weights.pt")
    assert_reads(tmp_path / "weights.pt")


def torchscript(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(module, torch.zeros(2, 8, 1, 1)), path)
    return path


def test_torchscript_is_named_and_its_remedy_works(store: str, tmp_path: Path) -> None:
    module, metadata = tiny_generator(3)
    path = torchscript(module, tmp_path / "traced.pt")
    with pytest.raises(GeneratorUnreadable, match=r"traced\.pt is a TorchScript program") as caught:
        build_generator(FACTORY, (), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(store)
        mlflow.pytorch.log_model(
            torch.jit.load(path), name="generator", registered_model_name="gan",
            serialization_format="pickle",
            pip_requirements=["torch"], metadata={"flipad": metadata},
        )  # fmt: skip
    found = diagnose("gan/1", tracking_uri=store)  # without a word about pickle
    assert "is a TorchScript program" in found.problem
    assert "torch.jit.load" in found.remedy
    options = ["--factory", FACTORY, "--weights", str(path), "--latent", "8,1,1"]
    refused = CliRunner().invoke(app, ["register", "gan", *options, "--tracking-uri", store])
    assert "remedy: Take its weights, torch.save(torch.jit.load(" in refused.stderr
    line = caught.value.remedy.split(", ", 1)[1].split(", and register")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(line.replace("'traced.pt'", repr(str(path))), {"torch": torch})
    assert_reads(Path("weights.pt"))
    assert set(torch.load("weights.pt")) == set(TinyDcgan().state_dict())


def stylegan_pickle(path: Path) -> None:
    """As `pickle` writes NVIDIA's networks: an object that torch_utils.persistence rebuilds."""
    import sys
    import types

    persistence = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: Any) -> Any:
        raise AssertionError("Nothing is to be unpickled here.")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    persistence.__dict__["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj

    class Network:
        def __reduce__(self) -> Any:
            return _reconstruct_persistent_obj, ({"version": 6},)

    sys.modules["torch_utils"], sys.modules["torch_utils.persistence"] = persistence, persistence
    try:
        path.write_bytes(pickle.dumps({"G_ema": Network()}, protocol=4))
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def keras_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional"}))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")


#: A file, what writes it, what it is called, and what the remedy names.
OTHERS: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
    "StyleGAN": ("network.pkl", stylegan_pickle, "StyleGAN", "legacy.load_network_pkl"),
    "Keras": ("generator.keras", keras_archive, "a Keras model", "tf2onnx"),
    "HDF5": ("generator.h5", lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n") and None,
             "a Keras model", "tf2onnx"),
    "SavedModel": ("saved_model.pb", lambda p: p.write_bytes(b"\x08\x01") and None,
                   "a TensorFlow SavedModel", "--saved-model"),
    "TFLite": ("generator.tflite", lambda p: p.write_bytes(b"\x1c\0\0\0TFL3") and None,
               "a TensorFlow Lite model", "--tflite"),
    "GGUF": ("vae.gguf", lambda p: p.write_bytes(b"GGUF\3\0") and None, "GGUF", "safetensors"),
}  # fmt: skip


@pytest.mark.parametrize("form", OTHERS)
def test_other_frameworks_are_named_with_the_way_to_convert(
    form: str, store: str, tmp_path: Path
) -> None:
    name, write, what, remedy = OTHERS[form]
    (tmp_path / "model").mkdir()
    write(tmp_path / "model" / name)
    uri = log_folder("other", tmp_path / "model", store, latent=LATENT)
    found = diagnose(uri, tracking_uri=store)
    assert not found.attributable
    assert what in found.problem
    assert remedy in found.remedy
    assert name in found.problem
    with pytest.raises(GeneratorUnreadable, match=what):
        build_generator(FACTORY, (), tmp_path / "model" / name)


def test_a_plain_checkpoint_is_nothing_foreign(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "w.pt")
    torch.save(state(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert recognised(tmp_path / "w.pt") is None
    assert recognised(tmp_path / "old.pt") is None
    assert_reads(tmp_path / "old.pt")
