"""Generators in half precision are read as float32 and give the split of their float32 twin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn

from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.onnx_generator import OnnxGenerator
from tests.generators.graphs import save_graph
from tests.generators.toys import METADATA, dcgan16

SHAPE = (4, 1, 1)
LATENT = {"latent": {"shape": list(SHAPE)}}
TYPES = (torch.float16, torch.bfloat16)


class Inside(nn.Module):
    """Half weights, casts at both ends."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module.to(dtype), dtype

    def forward(self, z: Tensor) -> Tensor:
        return self.module(z.to(self.dtype)).float()

    def encode(self, images: Tensor) -> Tensor:
        means = images.to(self.dtype).mean(dim=(2, 3), keepdim=True)
        return torch.cat([means, means[:, :1]], dim=1)


class Autocast(nn.Module):
    """Float32 weights under autocast, the result as autocast leaves it."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, z: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=self.dtype):
            return self.module(z)  # type: ignore[no-any-return]


class Constant(nn.Module):
    """Half weights and a half constant that is neither parameter nor buffer."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.one = module.to(dtype), torch.ones(SHAPE, dtype=dtype)

    def forward(self, z: Tensor) -> Tensor:
        return self.module(z * self.one)  # type: ignore[no-any-return]


FORMS: dict[str, Callable[[nn.Module, torch.dtype], nn.Module]] = {
    "weights": lambda module, dtype: module.to(dtype),
    "casts inside": Inside,
    "autocast": Autocast,
    "a constant": Constant,
}


def exported(module: nn.Module, dtype: torch.dtype) -> Any:
    example = torch.randn(2, *SHAPE, dtype=dtype)
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    return torch.export.export(module, (example,), dynamic_shapes=dynamic).module()


def check_same(split: SplitGenerator, rounded: SplitGenerator) -> None:
    """The split of float32 weights that are numbers of the half type."""
    assert split.layer.sha256() == rounded.layer.sha256()
    assert split.output_map == rounded.output_map
    torch.testing.assert_close(split.sample(4, 0), rounded.sample(4, 0), atol=1.1 / 255, rtol=0)
    latents = split.latent.sample(3, 1)
    torch.testing.assert_close(split.run(latents), rounded.run(latents), atol=1e-5, rtol=1e-5)
    assert split.why_not_differentiable == ""


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("program", [False, True], ids=["module", "exported"])
@pytest.mark.parametrize("form", FORMS)
def test_read_as_float32(form: str, dtype: torch.dtype, program: bool) -> None:
    module = FORMS[form](dcgan16().to(dtype).float(), dtype)
    if program:
        module = exported(module, dtype if form in ("weights", "a constant") else torch.float32)
    rounded = split_generator(dcgan16().to(dtype).float(), LATENT)
    split = split_generator(module, LATENT)
    check_same(split, rounded)
    if form != "a constant":  # which counts as one tensor more
        assert split.decoder_sha256 == rounded.decoder_sha256


def test_a_users_module_stays_as_it_is() -> None:
    module = dcgan16().half()
    split_generator(module, LATENT)
    assert {each.dtype for each in module.parameters()} == {torch.float16}


def test_an_encoder_that_casts_inside_is_read_too() -> None:
    split = split_generator(Inside(dcgan16(), torch.bfloat16), LATENT)
    assert split.encode is not None
    pixels = split.sample(2, 0)
    found = split.encode(pixels)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found[:, :3, 0, 0], pixels.mean(dim=(2, 3)) * 2 - 1)


def halved(path: Path, kind: int, casts: bool) -> Path:
    """A float32 graph in half precision, its input and output too unless they are cast."""
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values: Any = numpy_helper.to_array(tensor)
            dtype: Any = onnx.helper.tensor_dtype_to_np_dtype(kind)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))
    if casts:
        nodes = list(model.graph.node)
        nodes[0].input[0] = "low"
        nodes[-1].output[0] = "made"
        del model.graph.node[:]
        model.graph.node.extend([
            onnx.helper.make_node("Cast", ["z"], ["low"], to=kind),
            *nodes,
            onnx.helper.make_node("Cast", ["made"], ["y"], to=TensorProto.FLOAT),
        ])  # fmt: skip
    else:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.elem_type = kind
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("casts", [False, True], ids=["all of it", "casts at both ends"])
@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16], ids=["float16", "bfloat16"]
)
def test_onnx(tmp_path: Path, kind: int, casts: bool) -> None:
    body, weights = "c = Conv<pads=[1,1,1,1]>(f, w, b) y = Tanh(c)", {"w": (3, 6, 3, 3), "b": (3,)}
    path = halved(save_graph(tmp_path, body, weights), kind, casts)
    generator = OnnxGenerator(path)
    split = split_generator(generator, METADATA, state=generator.state, batched=generator.batched)
    assert split.layer.weight.dtype is torch.float32
    outputs, z = split.run(split.latent.sample(3, 1))
    rebuilt = split.output_map.activate(split.layer(z))
    torch.testing.assert_close(rebuilt, outputs, atol=1e-5, rtol=1e-5)
    assert np.isfinite(split.sample(4, 0).numpy()).all()
    assert split.why_not_differentiable == ""
