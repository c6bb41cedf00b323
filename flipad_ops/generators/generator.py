"""A generator that has been split: the object every fit starts from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from flipad_ops.generators import differentiable
from flipad_ops.generators.conditions import conditioned
from flipad_ops.generators.endings import Ending
from flipad_ops.generators.full_precision import widened
from flipad_ops.generators.latent import LatentSpec
from flipad_ops.generators.layer import FinalLayer, inversion_sha256, state_sha256
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.samples_only import PIXELS, check_samples, look, seen_layer
from flipad_ops.generators.skipping import Reading
from flipad_ops.generators.split import discover
from flipad_ops.generators.tail import PLAIN, Tail
from flipad_ops.generators.trace import Generator, Images, run_traced
from flipad_ops.samples.quantisation import Grid
from flipad_ops.samples.sample_kinds import space_of
from flipad_ops.samples.space import SampleSpace

#: Bytes of activations at most that a batch of samples makes.
BATCH_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class SplitGenerator:
    """`G = sigma o L o F` with the split verified.

    Parameters
    ----------
    forward : callable, (batch, *latent.shape) -> (batch, *sample_shape), before `tail` is undone
    latent : LatentSpec
    layer : FinalLayer
    output_map : OutputMap
    space : SampleSpace
        What its samples are; 8-bit images unless metadata says otherwise.
    decoder_sha256 : str
        Content hash over all parameters and buffers.
    tail : Tail
        What `forward` does after sigma; `run` undoes it.
    reading : Reading or None
        Where activations stand in a run, when not at the last linear operation.
    ending : Ending or None
        How that operation's input becomes the input of `layer`, where an ending was folded in.
    batched : bool
        False when `forward` accepts only one latent at a time.
    """

    forward: Generator
    latent: LatentSpec
    layer: FinalLayer
    output_map: OutputMap
    space: SampleSpace
    decoder_sha256: str
    tail: Tail = PLAIN
    reading: Reading | None = None
    batched: bool = True
    ending: Ending | None = None
    device: str = "cpu"
    name: str = ""
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample, (channels, height, width) for images."""
        return self.space.shape

    @property
    def grid(self) -> Grid:
        """Which values its samples are stored in."""
        return self.space.grid

    @property
    def inversion_sha256(self) -> str:
        """Of all that decides an inversion: versions of one such hash cannot be told apart."""
        return inversion_sha256(self.layer, self.output_map, self.space)

    def run(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (batch, *sample_shape), in units of sigma, and activations z
        (batch, *layer.input_shape); float32 on the CPU."""
        if not self.layer.inverts:
            return latents, look(latents)
        outputs, activations = [], []
        size = latents.shape[0] if self.batched else 1
        for chunk in torch.split(latents.to(self.device), size):
            images = None if self.reading is None else Images()
            output, call = run_traced(self.forward, chunk, images)
            made = self.tail.undo(output.float().cpu())
            outputs.append(made.reshape(len(chunk), *self.sample_shape))
            if self.reading is None or images is None:
                z = call.input.float().cpu()
                activations.append(z if self.ending is None else self.ending(z, chunk))
            else:
                activations.append(self.reading(images, len(chunk)))
        return torch.cat(outputs), torch.cat(activations)

    def pixels(self, latents: Tensor) -> Tensor:
        """Images of latents (n, *latent.shape) on `device`, through which gradients flow back.

        Returns
        -------
        Tensor, (n, *sample_shape), float32 on `device`
            In [0, 1], not rounded to `grid`. Where a file would be clamped to black or white, the
            gradient passes all the same; not so at a clamp of the generator's own (`tail`).
            Parameters get no gradients.

        Raises
        ------
        NotAttributable
            The generator returns no tensor.
        """
        returned = differentiable.returned(self.forward, latents, self.batched)
        return differentiable.to_pixels(self, returned)

    @property
    def why_in_no_file(self) -> str:
        """Why no file of a scan can hold a sample, a sentence; "" when one can."""
        shape = self.sample_shape
        if not self.space.decodable:
            return (
                f"Samples of shape {list(shape)} are not images, nor rows of a table whose columns "
                "the metadata states."
            )
        if not self.space.fields and shape[0] not in (1, 3):
            return f"Samples have {shape[0]} channels; images in files have 1 or 3."
        return ""

    @cached_property
    def why_not_differentiable(self) -> str:
        """Why no gradient flows from `pixels` to latents, a sentence; "" when a probe's does."""
        return differentiable.obstacle(self)

    @cached_property
    def encode(self) -> Callable[[Tensor], Tensor] | None:
        """The model's own encoder, where `forward` has one: pixels (n, *sample_shape) in [0, 1] to
        latents (n, *latent.shape) on `device`, float32, always the same for the same pixels."""
        return differentiable.own_encoder(self)

    def batches(
        self, count: int, seed: int, batch_size: int = 64
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Stream `count` samples as (outputs, activations) without keeping them; fewer at a time
        where activations are large."""
        batch_size = max(1, min(batch_size, BATCH_BYTES // (4 * math.prod(self.layer.input_shape))))
        for latents in torch.split(self.latent.sample(count, seed), batch_size):
            yield self.run(latents)

    def sample(self, count: int, seed: int, batch_size: int = 64) -> Tensor:
        """Own samples as a file would store them: float32 (count, *sample_shape) in [0, 1],
        rounded to `grid`."""
        images = [
            self.grid.round(self.output_map.to_pixels(output))
            for output, _ in self.batches(count, seed, batch_size)
        ]
        return torch.cat(images)

    def mean_activation(self, count: int, seed: int, batch_size: int = 64) -> Tensor:
        """The anchor zbar over `count` samples of F (paper: 5,000), float32 (*input_shape).

        Over all recorded latents, when there are fewer.
        """
        count = self.latent.at_most(count)
        total = torch.zeros(self.layer.input_shape, dtype=torch.float64)
        for _, activation in self.batches(count, seed, batch_size):
            total += activation.double().sum(dim=0)
        return (total / count).float()

    def activation_minimum(self, count: int = 64, seed: int = 0) -> float:
        """Smallest activation seen, but for a skip image; 0 means that F ends in a ReLU."""
        count, inside = self.latent.at_most(count), self.layer.alone().input_shape[0]
        return min(float(z[:, :inside].min()) for _, z in self.batches(count, seed))


def split_generator(
    forward: Generator,
    metadata: Mapping[str, Any] | None,
    *,
    state: Mapping[str, Tensor] | None = None,
    latents: Tensor | None = None,
    batched: bool = True,
    device: str = "cpu",
    name: str = "",
    version: str = "",
) -> SplitGenerator:
    """Split a runnable generator; see `flipad_ops.generators.split.discover` for the errors.

    Parameters
    ----------
    forward : callable or torch.nn.Module
        Put into evaluation mode where it has one. Half precision is read as float32: a module
        with such weights is copied.
    metadata : mapping or None
        The "flipad" metadata: latent (required), activation, output_range (black and white in
        units of what `forward` returns), bits, columns; see `samples.sample_kinds`.
    state : mapping of tensors, optional
        What the decoder hash covers; the module's own state by default.
    latents : Tensor, optional, (count, *latent.shape)
        Recorded latents to draw from.
    """
    if "samples" in (metadata or {}) and latents is not None:
        return _from_samples(forward, metadata or {}, latents, state, device, name, version)
    latent = LatentSpec.from_metadata(metadata, latents)
    forward = conditioned(forward, metadata)
    if isinstance(forward, torch.nn.Module):
        forward = widened(forward)
        if state is None:
            state = dict(forward.state_dict())
        with suppress(NotImplementedError):  # what torch.export made knows no modes
            forward = forward.eval()
    split = discover(forward, latent, metadata, batched=batched, device=device)
    return SplitGenerator(
        forward=split.forward or forward,
        latent=latent,
        layer=split.layer,
        output_map=split.output_map,
        space=space_of(metadata, split.sample_shape),
        tail=split.tail,
        reading=split.reading,
        ending=split.ending,
        decoder_sha256=state_sha256(dict(state or {})),
        batched=batched,
        device=device,
        name=name,
        version=version,
        metadata=dict(metadata or {}),
    )


def _from_samples(
    forward: Generator,
    metadata: Mapping[str, Any],
    samples: Tensor,
    state: Mapping[str, Tensor] | None,
    device: str,
    name: str,
    version: str,
) -> SplitGenerator:
    """Samples (n, channels, height, width) in [-1, 1] in the place of a generator."""
    check_samples(samples, metadata)
    shape = tuple(samples.shape[1:])
    return SplitGenerator(
        forward=forward,
        latent=LatentSpec(shape, "recorded", samples),
        layer=seen_layer(samples),
        output_map=PIXELS,
        space=space_of(metadata, shape),
        decoder_sha256=state_sha256(dict(state or {"samples": samples})),
        device=device,
        name=name,
        version=version,
        metadata=dict(metadata),
    )
