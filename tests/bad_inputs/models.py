"""Hostile and broken models: what lies in the registry, and what `flipadops doctor` says of it."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.bad_inputs.model_case import Case, Writer
from tests.bad_inputs.onnx_models import CASES as ONNX
from tests.registry.tiny import tiny_generator

FACTORY = "tests.registry.tiny:TinyDcgan"


def _flavour(folder: Path, model: str, about: str) -> None:
    (folder / "MLmodel").write_text(f"flavors:\n  {model}:\n    {about}\n")


def pt2(module: nn.Module, batch: int | None = None, shape: tuple[int, ...] = (8, 1, 1)) -> Writer:
    """An exported program as mlflow.pytorch lays it out."""

    def write(folder: Path) -> None:
        (folder / "data").mkdir()
        dynamic = [{0: torch.export.Dim.DYNAMIC}] if batch is None else None
        example = (torch.zeros(batch or 2, *shape),)
        program = torch.export.export(module.eval(), example, dynamic_shapes=dynamic)
        torch.export.save(program, folder / "data" / "model.pt2")
        _flavour(folder, "pytorch", "model_data: data")

    return write


def data(name: str, content: bytes) -> Writer:
    """Bytes in the place of the pytorch flavour's file."""

    def write(folder: Path) -> None:
        (folder / "data").mkdir()
        (folder / "data" / name).write_bytes(content)
        _flavour(folder, "pytorch", "model_data: data")

    return write


def mlmodel(text: str) -> Writer:
    """An MLmodel file alone."""
    return lambda folder: (folder / "MLmodel").write_text(text)


def plain(weights: bytes | None = None, **metadata: Any) -> Writer:
    """Weights and the metadata that names their factory."""

    def write(folder: Path) -> None:
        path = folder / "weights.safetensors"
        if weights is None:
            save_file(tiny_generator(1)[0].state_dict(), path)
        else:
            path.write_bytes(weights)
        stated = {"factory": FACTORY, "arguments": {}, **metadata}
        (folder / "flipad.json").write_text(json.dumps(stated))

    return write


def diffusers(**config: Any) -> Writer:
    """A folder of an autoencoder whose config.json says other things than its weights."""

    def write(folder: Path) -> None:
        stated = {"_class_name": "AutoencoderKL", "latent_channels": 4, **config}
        (folder / "config.json").write_text(json.dumps(stated))
        save_file({"x": torch.zeros(1)}, folder / "diffusion_pytorch_model.safetensors")

    return write


def zip_bomb(name: str, megabytes: int = 400) -> Writer:
    """A small archive of zeros."""

    def write(folder: Path) -> None:
        (folder / "data").mkdir()
        with (
            zipfile.ZipFile(
                folder / "data" / name, "w", zipfile.ZIP_DEFLATED, compresslevel=1
            ) as z,
            z.open("archive/data/0", "w", force_zip64=True) as member,
        ):
            for _ in range(megabytes):
                member.write(bytes(2**20))
        _flavour(folder, "pytorch", "model_data: data")

    return write


def bomb_of_weights(folder: Path) -> None:
    """A torch checkpoint that is such an archive."""
    zip_bomb("w.pt")(folder)
    (folder / "MLmodel").unlink()
    stated = {"factory": FACTORY, "weights": "data/w.pt"}
    (folder / "flipad.json").write_text(json.dumps(stated))


def climbing(folder: Path) -> None:
    """A program's archive with a member whose name leads out."""
    pt2(tiny_generator(1)[0])(folder)
    with zipfile.ZipFile(folder / "data" / "model.pt2", "a") as archive:
        archive.writestr("../../../escaped", "x")


def safetensors(header: dict[str, Any] | bytes, content: bytes = b"", length: int = -1) -> bytes:
    """A file with that header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length < 0 else length) + text + content


def _entry(shape: list[int], *offsets: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": list(offsets)}


class Around(nn.Module):
    """A generator with something done to what it makes."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.then = tiny_generator(1)[0], then

    def forward(self, latents: Tensor) -> Tensor:
        return self.then(self.inner(latents))


class Endless(nn.Module):
    """A loop inside the program that never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_generator(1)[0]

    def forward(self, latents: Tensor) -> Tensor:
        from torch._higher_order_ops.while_loop import while_loop

        (looped,) = while_loop(  # type: ignore[no-untyped-call]
            lambda v: (v * 0).sum() < 1, lambda v: (v * 0.5,), (latents,)
        )
        made: Tensor = self.inner(looped)
        return made


def weights(value: float, at: int = -1) -> nn.Module:
    """The tiny generator with one parameter filled."""
    module = tiny_generator(1)[0]
    for parameter in list(module.parameters())[at:] if at == -1 else list(module.parameters())[:1]:
        parameter.data.fill_(value)
    return module


def zeroed() -> nn.Module:
    """A last layer of zeros."""
    module = tiny_generator(1)[0]
    last: Any = module.body[6]
    last.weight.data.zero_()
    last.bias.data.zero_()
    return module


def large(size: int) -> nn.Module:
    """A program whose output is enlarged."""
    return Around(lambda y: nn.functional.interpolate(y, size=(size, size)))


GOOD = tiny_generator(1)[0]
CASES = [
    Case("pickle", data("model.pth", pickle.dumps(print)), "is pickled"),
    Case("pickle named model.pt2", data("model.pt2", pickle.dumps(print)), "cannot be loaded"),
    Case("ZIP bomb as model.pt2", zip_bomb("model.pt2"), "unpacks to"),
    Case("ZIP bomb as weights of torch", bomb_of_weights, "unpacks to"),
    Case("MLmodel: no YAML", mlmodel("{["), "MLmodel file cannot be read"),
    Case("MLmodel: a path that leads out",
         mlmodel("flavors:\n  pytorch:\n    model_data: ../../../etc\n"), "lies outside"),
    Case("MLmodel: ONNX data that leads out",
         mlmodel("flavors:\n  onnx:\n    data: /etc/passwd\n"), "lies outside"),
    Case("safetensors: weights that lead out",
         lambda f: (f / "flipad.json").write_text(
             json.dumps({"factory": FACTORY, "weights": "../../x"})), "lies outside"),
    Case("pt2: truncated", data("model.pt2", b"PK\x03\x04" + bytes(500)), "cannot be loaded"),
    Case("pt2: a member that leads out", climbing, "cannot be loaded"),
    Case("a million channels", plain(arguments={"width": 10**6}), "more than"),
    Case("pt2: an output of 100000x100000", pt2(large(100_000)), "more than"),
    Case("latent of 1e9 entries", pt2(GOOD), "absurdly large", latent={"shape": [10**9]}),
    Case("latent stated too small", pt2(GOOD), "latents of shape", latent={"shape": [4, 1, 1]}),
    Case("latent stated too large", pt2(GOOD), "latents of shape", latent={"shape": [80, 1, 1]}),
    Case("latent of another rank", pt2(GOOD), "latents of shape", latent={"shape": [8]}),
    Case("latent of an unknown distribution", pt2(GOOD), "is not one of",
         latent={"shape": [8, 1, 1], "distribution": "cauchy"}),
    Case("latent of no numbers", pt2(GOOD), "positive sizes", latent={"shape": ["a"]}),
    Case("NaN weights", pt2(weights(float("nan"))), "NaN or infinite"),
    Case("infinite weights", pt2(weights(float("inf"), 0)), "NaN or infinite"),
    Case("a constant output", pt2(Around(lambda y: y * 0 + 0.5)), "cannot be attributed"),
    Case("a last layer of zeros", pt2(zeroed()), "weights are all zero"),
    Case("noise of its own", pt2(Around(lambda y: y + torch.randn_like(y))), "from run to run"),
    Case("pt2: a loop without end, which is never begun", pt2(Endless()), "generator failed"),
    Case("safetensors: a header longer than the file",
         plain(safetensors(b"{}", length=2**40)), "cannot be read"),
    Case("safetensors: no JSON", plain(safetensors(b"hello")), "cannot be read"),
    Case("safetensors: offsets that overlap",
         plain(safetensors({"a": _entry([2], 0, 8), "b": _entry([2], 4, 12)}, bytes(12))),
         "cannot be read"),
    Case("safetensors: offsets beyond the file",
         plain(safetensors({"a": _entry([2**30], 0, 2**32)}, bytes(8))), "cannot be read"),
    Case("safetensors: a shape that is no product",
         plain(safetensors({"a": _entry([2**62, 4], 0, 8)}, bytes(8))), "cannot be read"),
    Case("diffusers: a million channels",
         diffusers(block_out_channels=[10**6], norm_num_groups=1), "more than"),
    Case("diffusers: no such class", diffusers(_class_name="AutoencoderNone"), "no autoencoder"),
    Case("diffusers: other weights than its config", diffusers(), "", latent={"shape": [4, 8, 8]}),
    Case("diffusers: texts for numbers", diffusers(block_out_channels="many"), ""),
    *ONNX,
]  # fmt: skip
