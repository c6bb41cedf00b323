"""Generators that have no split: each is refused in one sentence that says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.common.errors import GeneratorUnreadable, NotAttributable
from flipad_ops.generators import split_generator
from tests.generators.toys import METADATA, Reshape, export, seeded, toy


def refusal(forward: Callable[[Tensor], Any], batched: bool = True) -> str:
    with pytest.raises(NotAttributable) as caught:
        split_generator(forward, METADATA, batched=batched)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


class Demodulated(nn.Module):
    """One grouped convolution whose weights carry each latent's style and are normalised by it, as
    in StyleGAN2's hidden layers: outputs are scaled, too, which no activation can absorb."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.style = nn.Linear(4, 6 * 64), nn.Linear(4, 6)
        self.weight = nn.Parameter(torch.randn(3, 6, 3, 3))

    def forward(self, z: Tensor) -> Tensor:
        n = z.shape[0]
        weight = (self.weight * self.style(z)[:, None, :, None, None]).reshape(n * 3, 6, 3, 3)
        weight = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
        x = self.start(z).reshape(1, n * 6, 8, 8)
        return torch.tanh(F.conv2d(x, weight, padding=1, groups=n).reshape(n, 3, 8, 8))


@pytest.mark.parametrize("batched", [True, False])
def test_demodulated_weights(batched: bool) -> None:
    module = seeded(lambda: nn.Sequential(Demodulated()))
    assert "not by scales of its input channels alone (modulation)" in refusal(module, batched)


@pytest.mark.parametrize("batched", [True, False])
def test_demodulated_weights_exported(batched: bool) -> None:
    module = export(seeded(lambda: nn.Sequential(Demodulated())), "dynamic" if batched else "one")
    assert "not by scales of its input channels alone (modulation)" in refusal(module, batched)


def test_modulated_bias() -> None:
    head = toy("conv2d")[:3]
    last = torch.randn(3, 5, 3, 3)

    def forward(z: Tensor) -> Tensor:
        return torch.tanh(F.conv2d(head(z), last, z[0, :3], padding=1))

    assert "not an invertible activation" in refusal(forward, batched=False)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (nn.MaxPool2d(2), "something other than an activation follows"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "something other than an activation follow"),
        (nn.PixelShuffle(1), None),
        (Reshape(192), "something other than an activation follows"),
        (nn.AvgPool2d(3, 1, 1), "not an invertible activation"),
    ],
    ids=["pool", "upsample", "nothing", "reshape", "blur"],
)
def test_something_after_the_last_layer(extra: nn.Module, message: str | None) -> None:
    module = seeded(lambda: nn.Sequential(*toy("conv2d"), extra))
    if message is None:
        assert split_generator(module, METADATA).layer.kind == "conv2d"
    else:
        assert message in refusal(module)


def test_skip_connection_around_the_last_layer() -> None:
    module = toy("conv2d", nn.Identity())
    assert "not an invertible activation" in refusal(
        lambda z: torch.tanh(module(z) + z[:, :3, None, None])
    )


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize(
    "last", [nn.ReLU(), nn.Softmax(dim=1), nn.Softplus(), nn.Hardswish()], ids=lambda m: str(m)
)
def test_activation_without_inverse(last: nn.Module, exported: bool) -> None:
    module = toy("conv2d", last)
    text = refusal(export(module) if exported else module)
    assert "not an invertible activation" in text
    assert "tanh off by" in text
    assert "identity off by" in text


def test_training_mode_exported() -> None:
    program = export(toy("conv_transpose2d").train())
    assert "registered in training mode" in refusal(program)


def test_module_left_in_training_mode_is_no_reason_to_refuse() -> None:
    assert split_generator(toy("conv_transpose2d").train(), METADATA).layer.input_shape == (6, 4, 4)


def test_noise_of_its_own() -> None:
    head, last = toy("conv2d")[:3], toy("conv2d")[3:]
    assert "noise of its own" in refusal(lambda z: last(head(z) + torch.randn(5, 8, 8)))


@pytest.mark.parametrize(
    ("last", "shape", "what"),
    [
        (nn.Conv1d(4, 3, 3, padding=1), (4, 8), "a 1-d convolution"),
        (nn.ConvTranspose1d(4, 3, 3), (4, 8), "a 1-d convolution"),
        (nn.Conv3d(4, 3, 1), (4, 2, 2, 2), "a 3-d convolution"),
    ],
)
def test_convolution_of_another_dimension(
    last: nn.Module, shape: tuple[int, ...], what: str
) -> None:
    width = int(torch.Size(shape).numel())
    module = seeded(lambda: nn.Sequential(nn.Linear(4, width), Reshape(*shape), last, nn.Tanh()))
    assert refusal(module) == f"The last linear operation is {what}."


def test_linear_over_the_rows_of_a_sample() -> None:
    module = seeded(
        lambda: nn.Sequential(nn.Linear(4, 40), Reshape(8, 5), nn.Linear(5, 3), nn.Tanh())
    )
    assert "32 rows for 4 latents" in refusal(module)


def test_not_finite() -> None:
    module = toy("conv2d")
    with torch.no_grad():
        module[3].weight[0, 0, 0, 0] = torch.nan
    assert refusal(module) == "The last linear layer holds NaN or infinite weights."
    for value in (torch.inf, torch.nan):
        module = toy("conv2d")
        with torch.no_grad():
            module[0].bias[3] = value
        assert refusal(module) == "The generator gives NaN or infinite values."


@pytest.mark.parametrize(
    ("output", "what"),
    [({"image": 1}, "a dict, not a tensor"), (None, "a NoneType, not a tensor"), ([], "a list")],
)
def test_output_that_is_no_tensor(output: object, what: str) -> None:
    module = toy("conv2d")
    assert what in refusal(lambda z: (module(z), output)[1])


@pytest.mark.parametrize("reduce", [lambda x: x.sum(), lambda x: x[:1], lambda x: x[0]])
def test_another_number_of_samples(reduce: Callable[[Tensor], Tensor]) -> None:
    module = toy("conv2d")
    assert re.search(r"for [14] latents", refusal(lambda z: reduce(module(z))))


def test_no_linear_operation() -> None:
    assert "no convolution and no linear layer" in refusal(torch.tanh)


def test_a_generator_that_fails_is_unreadable() -> None:
    with pytest.raises(GeneratorUnreadable, match=r"latents of shape \(1, 7\): mat1 and mat2"):
        split_generator(toy("linear"), {"latent": {"shape": [7]}})

    def silent(latents: Tensor) -> Tensor:
        raise RuntimeError

    with pytest.raises(GeneratorUnreadable, match="RuntimeError"):
        split_generator(silent, METADATA)
