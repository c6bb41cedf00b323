"""Discover and verify the split G = sigma o L o F (FLIPAD, section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from flipad_ops.common.errors import NotAttributable, RangeUnknown
from flipad_ops.generators.endings import Ending
from flipad_ops.generators.find_ending import find_ending
from flipad_ops.generators.full_precision import in_float32, unrounded
from flipad_ops.generators.latent import LatentSpec
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.match import SPLIT_TOLERANCE, match_output
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.skipping import Reading, Run, find_modulated
from flipad_ops.generators.tail import Tail
from flipad_ops.generators.trace import (
    IMAGE_CHANNELS,
    Generator,
    Images,
    LinearCall,
    TracesItself,
    run_traced,
)

PROBES = 4
#: Entries of one activation from which on probes run in pairs, for memory.
LARGE = 2**24


@dataclass(frozen=True)
class Split:
    """What `discover` found.

    Parameters
    ----------
    layer : FinalLayer
    output_map : OutputMap
        Black and white in units of sigma, not of what the generator returns.
    sample_shape : tuple of int
        Channels first.
    tail : Tail
        From sigma's values to what the generator returns.
    reading : Reading or None
        Where the activation stands, when it is not the input of the last linear operation.
    forward : callable
        What to run: the generator, or it without casts to half precision and whole numbers
        (`full_precision`).
    ending : Ending or None
        What follows the last linear operation and was folded into `layer`.
    """

    layer: FinalLayer
    output_map: OutputMap
    sample_shape: tuple[int, ...]
    tail: Tail
    reading: Reading | None = None
    forward: Generator | None = None
    ending: Ending | None = None


def discover(
    generator: Generator,
    latent: LatentSpec,
    metadata: Mapping[str, Any] | None = None,
    *,
    batched: bool = True,
    device: str = "cpu",
) -> Split:
    """Find the final layer and output activation by running the generator.

    Parameters
    ----------
    generator : callable, (batch, *latent.shape) -> (batch, *sample_shape)
    latent : LatentSpec
    metadata : mapping, optional
        The owner's word: "activation" and "output_range" override what is found.
    batched : bool
        False for programs exported at batch size 1.

    Raises
    ------
    NotAttributable
        No activation reproduces the output, the final layer's weights depend on the latent in
        other ways than by scales of its input channels, or a sample depends on its batch-mates.
        Its `remedy` says what would help.
    """
    latents = latent.sample(PROBES, seed=0).to(device)
    # The last latent alone: another batch, and not the latent that `call` takes its weights from.
    alone = run_traced(generator, latents[-1:])
    if not alone[0].is_floating_point():
        generator, span = unrounded(generator, latents[-1:])
        metadata = {"output_range": span, **(metadata or {})}
        alone = run_traced(generator, latents[-1:])
    if alone[1].lowered:
        generator = in_float32(generator)
    try:
        found = _plain(generator, latents, alone, metadata, batched)
    except RangeUnknown:
        raise
    except NotAttributable as error:
        if isinstance(generator, TracesItself):
            raise
        try:
            found = _modulated(generator, latents, metadata, batched)
        except RangeUnknown:
            raise
        except NotAttributable:
            raise error from None
    return replace(found, forward=generator)


def _modulated(
    generator: Generator, latents: Tensor, metadata: Mapping[str, Any] | None, batched: bool
) -> Split:
    """The layer before an upsampled skip image is added, or with weights that a style scales."""
    runs: list[Run] = []
    for chunk in (*torch.split(latents, len(latents) if batched else 1), latents[-1:]):
        images = Images()
        output, _ = run_traced(generator, chunk, images)
        _check_finite(output)
        runs.append((output, images))
    _check_alone(runs[-1][0], runs[-2][0][-1:])
    reading, output_map, tail = find_modulated(runs, metadata)
    return Split(reading.layer, output_map, reading.layer.output_shape, tail, reading)


def _plain(
    generator: Generator,
    latents: Tensor,
    alone: tuple[Tensor, LinearCall],
    metadata: Mapping[str, Any] | None,
    batched: bool,
) -> Split:
    again, other = alone
    size = 1 if not batched else PROBES if other.input.numel() <= LARGE else 2
    output, call = _probe(generator, latents, size)
    layer = call.layer()
    if other.weight.shape != call.weight.shape or not torch.equal(other.weight, call.weight):
        raise NotAttributable(
            "The final layer's weights change with the latent, and not by scales of its input "
            "channels alone (modulation).",
            remedy="FLIPAD needs a final layer of fixed weights up to such scales; no metadata "
            "mends this",
        )
    _check_finite(output, call.input)
    if not call.weight.any():
        raise NotAttributable(
            "The final layer's weights are all zero: every sample is the same.",
            remedy="Check the weights that were logged",
        )
    _check_alone(again, output[-1:])
    channels_last = _channels_last(call, output)
    if channels_last:
        output = output.movedim(-1, 1)
    shape = stated_shape(output, metadata)
    ending = None
    try:
        output_map, tail = _match_last(layer, call, output, metadata)
    except RangeUnknown:
        raise
    except NotAttributable as error:
        try:
            folded = find_ending(call, output, latents, metadata)
        except RangeUnknown:
            raise
        except NotAttributable:
            raise _with_names(error, call) from None
        layer, ending = folded.layer, folded.ending
        output_map, tail = folded.output_map, folded.tail
    tail = replace(tail, channels_last=channels_last)
    return Split(layer, output_map, shape, tail, ending=ending)


def _with_names(error: NotAttributable, call: LinearCall) -> NotAttributable:
    """The refusal, with what runs behind the last linear operation."""
    if not call.after:
        return error
    text = f"{str(error).rstrip('.')}; behind it run {', '.join(call.after)}."
    return NotAttributable(text, remedy=error.remedy)


def stated_shape(output: Tensor, metadata: Mapping[str, Any] | None) -> tuple[int, ...]:
    """Of one sample of `output` (batch, ...): the generator's own; with a first axis for the only
    channel where it gives rows and columns; or the owner's word for what comes in a row.

    Raises
    ------
    NotAttributable
        That word does not fit.
    """
    own = tuple(output.shape[1:])
    stated = (metadata or {}).get("image_shape")
    if stated is None:
        return (1, *own) if len(own) == 2 else own
    whole = isinstance(stated, (list, tuple)) and all(type(n) is int and n > 0 for n in stated)
    if not whole or len(stated) != 3 or math.prod(stated) != math.prod(own):
        raise NotAttributable(
            f"Metadata image_shape {stated!r} is not [channels, height, width] of {list(own)}."
        )
    return tuple(stated)


def _match_last(
    layer: FinalLayer, call: LinearCall, output: Tensor, metadata: Mapping[str, Any] | None
) -> tuple[OutputMap, Tail]:
    """The activation, where nothing else follows the last linear operation."""
    if call.input.shape[0] != PROBES:
        raise NotAttributable(
            f"The last linear operation ({layer.kind}) ran on {call.input.shape[0]} rows for "
            f"{PROBES} latents: a sample is not one call of it.",
            remedy="FLIPAD needs one final convolution or linear layer per sample; no metadata "
            "mends this",
        )
    if layer.output_shape != tuple(output.shape[1:]) and (
        layer.kind != "linear" or call.output.numel() != output.numel()
    ):
        raise NotAttributable(
            f"The last linear operation ({layer.kind}) gives {list(layer.output_shape)} but the "
            f"sample is {list(output.shape[1:])}: something other than an activation follows it.",
            remedy="Log the generator without what follows its last layer and activation "
            "(resizing, cropping, reordering), if the images are stored without it too",
        )
    linear = layer(call.input.float().cpu()).reshape(output.shape)
    return match_output(linear, output.float().cpu(), metadata)


def _check_finite(*tensors: Tensor) -> None:
    if not all(bool(torch.isfinite(t).all()) for t in tensors):
        raise NotAttributable(
            "The generator gives NaN or infinite values.",
            remedy="Check the weights that were logged, and the latent's shape and distribution",
        )


def _check_alone(alone: Tensor, among_others: Tensor) -> None:
    if not torch.allclose(alone, among_others, atol=SPLIT_TOLERANCE, rtol=SPLIT_TOLERANCE):
        raise NotAttributable(
            "A sample changes with its batch or from run to run: the generator was registered in "
            "training mode, or it draws noise of its own.",
            remedy="Call .eval() before logging it, feed any noise as part of the latent, and log "
            "it again",
        )


def _channels_last(call: LinearCall, output: Tensor) -> bool:
    """The layer's own shape with its channels last, or an image's that more than a last layer
    made."""
    shape, found = tuple(call.output.shape[1:]), tuple(output.shape[1:])
    if len(found) != 3 or found == shape:
        return False
    return found == (*shape[1:], shape[0]) or found[-1] <= IMAGE_CHANNELS < found[0]


def _probe(generator: Generator, latents: Tensor, size: int) -> tuple[Tensor, LinearCall]:
    """Run `size` latents at a time."""
    runs = [run_traced(generator, chunk) for chunk in torch.split(latents, size)]
    output, first = runs[0]
    if len(runs) == 1:
        return output, first
    inputs = torch.cat([call.input for _, call in runs])
    outputs = torch.cat([call.output for _, call in runs])
    joined = replace(first, input=inputs, output=outputs)
    return torch.cat([output for output, _ in runs]), joined
