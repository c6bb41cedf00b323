from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
import typer
from mlflow import MlflowClient
from safetensors.torch import save_file
from typer.testing import CliRunner

from flipad_ops.cli.register import register
from flipad_ops.common.errors import GeneratorUnreadable, UsageError
from flipad_ops.registry.factory import build_generator, parse_arguments
from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.known import find_callable
from tests.registry.tiny import tiny_generator

FACTORY = "tests.registry.tiny:TinyDcgan"


def test_arguments() -> None:
    assert parse_arguments(["0", "3", "name=a b", "flag=True", "rate=0.5"]) == (
        [0, 3],
        {"name": "a b", "flag": True, "rate": 0.5},
    )
    with pytest.raises(UsageError, match="after named"):
        parse_arguments(["a=1", "2"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("torch", "not of the form"),
        ("no_such_module:x", "cannot be imported"),
        ("torch:no_such_name", "cannot be imported"),
        ("math:pi", "not callable"),
    ],
)
def test_callable_refusals(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        find_callable(text)


def test_weights_from_every_kind_of_file(tmp_path: Path) -> None:
    module, _ = tiny_generator(seed=3)
    state = module.state_dict()
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"netG": state, "step": 7}, tmp_path / "checkpoint.pt")
    latent = torch.randn(2, 8, 1, 1)
    for name, key in (("w.safetensors", None), ("plain.pt", None), ("checkpoint.pt", "netG")):
        built = build_generator(FACTORY, ["width=8"], tmp_path / name, key)
        assert torch.equal(built(latent), module(latent))


def test_weights_refusals(tmp_path: Path) -> None:
    module, _ = tiny_generator(seed=3)
    torch.save({"netG": module.state_dict()}, tmp_path / "checkpoint.pt")
    torch.save(module, tmp_path / "pickled.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name, key, reason in (
        ("checkpoint.pt", None, "--weights-key; it has netG"),
        ("checkpoint.pt", "netD", "no key 'netD'; it has netG"),
        ("pickled.pt", None, "not a file of plain tensors"),
        ("broken.safetensors", None, "cannot be read"),
    ):
        with pytest.raises(GeneratorUnreadable, match=reason):
            build_generator(FACTORY, (), tmp_path / name, key)
    with pytest.raises(GeneratorUnreadable, match="does not fit"):
        build_generator(FACTORY, ["width=4"], tmp_path / "checkpoint.pt", "netG")
    with pytest.raises(UsageError, match="is not a file"):
        build_generator(FACTORY, (), tmp_path / "nothing.pt")
    with pytest.raises(UsageError, match="failed"):
        build_generator(FACTORY, ["nonsense=1"])
    with pytest.raises(UsageError, match="not a torch module"):
        build_generator("builtins:dict")


def test_register_command(store: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(register)
    module, metadata = tiny_generator(seed=3)
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    options = ["--factory", FACTORY, "--weights", "w.safetensors", "--tracking-uri", store]
    run = CliRunner().invoke(app, ["made", *options, "--latent", "8,1,1"])
    assert run.stdout == "models:/made/1\n"
    loaded = load_generator("made", tracking_uri=store)
    digest = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    assert loaded.metadata == {**metadata, "checkpoint_sha256": digest}
    bad = CliRunner().invoke(app, ["other", *options, "--latent", "8,x"])
    assert isinstance(bad.exception, UsageError)
    assert [m.name for m in MlflowClient(store).search_registered_models()] == ["made"]
