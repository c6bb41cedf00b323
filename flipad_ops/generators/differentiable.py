"""Images with their graph, for a search of latents by gradient, and a model's own encoder.

Nothing here changes what a generator computes: where its code keeps gradients from passing
(`torch.no_grad`, `detach`, a clamp to black and white), they are let through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from flipad_ops.common.errors import first_line
from flipad_ops.generators.latent import LatentSpec
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.tail import Tail
from flipad_ops.generators.trace import Generator, TracesItself, only_tensor

SAMPLES_ALONE = "Samples stand in the place of a model: there is no generator to run."
#: Difference of a twin's pixels, of which a grey level is 1/255.
SAME = 1e-3
BLOCKED = (
    "No gradient reaches the latents: the generator runs without them (torch.no_grad, "
    "torch.inference_mode or detach in its code, or code outside torch)."
)
#: Latents of the probe.
PROBES = 2


class Whole(Protocol):
    """What is asked of a `SplitGenerator`."""

    @property
    def forward(self) -> Generator: ...
    @property
    def latent(self) -> LatentSpec: ...
    @property
    def layer(self) -> FinalLayer: ...
    @property
    def output_map(self) -> OutputMap: ...
    @property
    def tail(self) -> Tail: ...
    @property
    def device(self) -> str: ...
    @property
    def sample_shape(self) -> tuple[int, ...]: ...
    def pixels(self, latents: Tensor) -> Tensor: ...
    def run(self, latents: Tensor) -> tuple[Tensor, Tensor]: ...


class ClampThrough(torch.autograd.Function):
    """Clamp to [0, 1] whose gradient is the identity: a pixel beyond white can come back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Values of any shape, clamped."""
        return values.clamp(0.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradient as it comes."""
        return gradients[0]


def returned(forward: Generator, latents: Tensor, batched: bool) -> Tensor:
    """What the generator returns for latents (batch, ...) with the graph back to them.

    Gradients of its parameters are not recorded.
    """
    if isinstance(forward, TracesItself):
        forward = forward.twin or forward
    with frozen(forward):
        chunks = torch.split(latents, len(latents) if batched else 1)
        return torch.cat([only_tensor(forward(chunk)) for chunk in chunks])


def to_pixels(generator: Whole, output: Tensor) -> Tensor:
    """What it returned as pixels (batch, *sample_shape), clamped without losing gradients."""
    output = generator.tail.undo(output.float().to(generator.device))
    output = output.reshape(len(output), *generator.sample_shape)
    low, high = generator.output_map.low, generator.output_map.high
    pixels: Tensor = ClampThrough.apply((output - low) / (high - low))  # type: ignore[no-untyped-call]
    return pixels


def obstacle(generator: Whole) -> str:
    """Why a search by gradient cannot use it, a sentence; "" when a probe's gradient is finite and
    not all zero."""
    if not generator.layer.inverts:
        return SAMPLES_ALONE
    forward = generator.forward
    if isinstance(forward, TracesItself) and forward.twin is None:
        return forward.why_no_twin
    count = generator.latent.at_most(PROBES)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            latents = generator.latent.sample(count, seed=0).to(generator.device).requires_grad_()
            pixels = generator.pixels(latents)
            if not pixels.requires_grad:
                return BLOCKED
            if isinstance(forward, TracesItself) and (off := _off(generator, latents, pixels)):
                return off
            # Weights, as the sum of an image may be fixed by construction.
            source = torch.Generator().manual_seed(0)
            weights = torch.randn(pixels.shape, generator=source).to(pixels.device)
            found = torch.autograd.grad((pixels * weights).sum(), latents, allow_unused=True)[0]
    except Exception as error:  # another's code, whose backward nobody may have run before
        return f"The generator's gradient cannot be computed: {first_line(error).rstrip('.')}."
    if found is None or not bool(found.any()):
        return BLOCKED
    if not bool(torch.isfinite(found).all()):
        return "The generator's gradient is NaN or infinite."
    return ""


def _off(generator: Whole, latents: Tensor, pixels: Tensor) -> str:
    """How a twin's pixels differ from those of the generator itself; "" when they do not."""
    expected = generator.output_map.to_pixels(generator.run(latents.detach())[0])
    off = float((pixels.detach().cpu() - expected.reshape(pixels.shape)).abs().max())
    if off <= SAME:
        return ""
    return f"Run in torch, the generator's pixels differ by up to {off:.2g}, so gradients are none."


class Encoder:
    """A model's own encoder, from pixels to latents.

    Parameters
    ----------
    generator : SplitGenerator
        Whose `forward` has a method `encode`: images as `forward` returns them to latents.
    """

    def __init__(self, generator: Whole) -> None:
        self.generator = generator

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels (n, *sample_shape) in [0, 1] to latents (n, *latent.shape), float32 on the
        generator's device; gradients pass."""
        generator, tail = self.generator, self.generator.tail
        images = tail.forward(generator.output_map.to_output(pixels.to(generator.device)))
        if tail.channels_last:
            images = images.movedim(1, -1)
        forward: Any = generator.forward
        with frozen(forward):
            latents: Tensor = forward.encode(images)
        return latents.float()


def own_encoder(generator: Whole) -> Encoder | None:
    """The encoder, if there is one that gives latents of the generator's shape for own samples.

    A method of that name that does something else is none.
    """
    if not generator.layer.inverts or not callable(getattr(generator.forward, "encode", None)):
        return None
    encoder = Encoder(generator)
    latents = generator.latent.sample(generator.latent.at_most(PROBES), seed=0)
    try:
        with torch.no_grad():
            found = encoder(generator.pixels(latents.to(generator.device)))
            fits = found.shape == latents.shape and bool(torch.isfinite(found).all())
    except Exception:  # another's code, which was not asked to take these
        return None
    return encoder if fits else None


@contextmanager
def frozen(forward: Any) -> Iterator[None]:
    """A module's parameters want no gradients meanwhile."""
    with ExitStack() as stack:
        for each in forward.parameters() if isinstance(forward, nn.Module) else ():
            if each.requires_grad:
                each.requires_grad_(False)
                stack.callback(each.requires_grad_, True)
        yield


def let_gradients_through(program: torch.fx.GraphModule) -> None:
    """Undo `torch.no_grad` and `detach` in an exported program, which change no value.

    A module whose forward was decorated or parts of which ran so carries them into its graph.
    """
    wrapped = torch.ops.higher_order.wrap_with_set_grad_enabled
    aten = torch.ops.aten
    for part in program.modules():
        if not isinstance(part, torch.fx.GraphModule):
            continue
        for node in list(part.graph.nodes):
            if node.target is wrapped:  # not "enabled": a run without gradients stays one
                _, inner, *arguments = node.args
                with part.graph.inserting_before(node):
                    called = part.graph.call_module(inner.target, tuple(arguments))
                node.replace_all_uses_with(called)
                part.graph.erase_node(node)
            elif node.target is torch._C._set_grad_enabled:
                part.graph.erase_node(node)
            elif node.target in (aten.detach.default, aten.detach_.default):
                node.replace_all_uses_with(node.args[0])
                part.graph.erase_node(node)
        part.recompile()
