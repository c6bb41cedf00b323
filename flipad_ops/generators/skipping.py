"""Find a last layer that the style modulates, with or without a skip image (StyleGAN2).

`y = W (style * h) + U s + b`: the style scales input channels, so with z = style * h the layer has
fixed weights. It is found in what the generator computes: a convolution to images whose weights
are, for every sample, one W with scaled input channels, and a later image that is its output plus
a fixed upsampling of an earlier image half the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from flipad_ops.common.errors import NotAttributable, RangeUnknown
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.match import SPLIT_TOLERANCE, match_output
from flipad_ops.generators.output import OutputMap
from flipad_ops.generators.skip import WAYS
from flipad_ops.generators.tail import Tail
from flipad_ops.generators.trace import Images, LinearCall

#: One run of the generator: what it returned, and its images.
Run = tuple[Tensor, Images]


@dataclass(frozen=True, eq=False)
class Reading:
    """Where the activation of such a layer stands in a run.

    Parameters
    ----------
    layer : FinalLayer
    call : int
        Position of its convolution among those to images, counted from the end.
    modulated : bool
        Whether weights differ by sample.
    """

    layer: FinalLayer
    call: int
    modulated: bool

    def __call__(self, images: Images, count: int) -> Tensor:
        """Activations (count, *layer.input_shape), float32 on the CPU.

        Raises
        ------
        NotAttributable
            This run computes something else than the one that the layer was found in.
        """
        sample = _by_sample(images.calls[self.call], count)
        if sample is None:
            raise NotAttributable("The generator computes its samples in different ways.")
        weights, z = sample
        if self.modulated:
            z = z * _styles(weights, self.layer.weight)[:, :, None, None]
        skip = self.layer.skip
        if skip is None:
            return z
        linear = self.layer.alone()(z)
        for whole in _shaped(images, linear.shape):
            rest, scale = whole - linear, float(whole.abs().max())
            for s in _shaped(images, (count, *skip.input_shape)):
                if float((rest - skip(s)).abs().max()) <= SPLIT_TOLERANCE * scale:
                    return skip.join(z, s)
        raise NotAttributable("The generator's skip image is not always there.")


def find_modulated(
    runs: list[Run], metadata: Mapping[str, Any] | None
) -> tuple[Reading, OutputMap, Tail]:
    """The modulated layer of a generator whose last linear operation is not its final layer.

    Parameters
    ----------
    runs : list of (output, Images)
        Of several latents, in batches of different sizes.

    Raises
    ------
    NotAttributable
        No such layer makes the output.
    """
    output = torch.cat([made for made, _ in runs]).float().cpu()
    first, images = len(runs[0][0]), runs[0][1]
    for call in range(-1, -min(len(seen.calls) for _, seen in runs) - 1, -1):
        plain = _plain_reading(call, runs)
        if plain is None or plain.layer.output_shape != tuple(output.shape[1:]):
            continue
        linear = plain.layer(plain(images, first))
        for whole in _shaped(images, linear.shape):
            layer = _completed(plain.layer, whole - linear, float(whole.abs().max()), images)
            if layer is None:
                continue
            reading = replace(plain, layer=layer)
            try:
                joint = torch.cat([reading(seen, len(made)) for made, seen in runs])
                return reading, *match_output(layer(joint), output, metadata)
            except RangeUnknown:
                raise
            except NotAttributable:
                continue
    raise NotAttributable("No layer with scaled input channels makes the output.")


def _by_sample(call: LinearCall, count: int) -> tuple[Tensor, Tensor] | None:
    """Weights (count, out, in, kh, kw) and inputs (count, in, H, W), float32 on the CPU, of a
    plain convolution or of one grouped by sample."""
    weight, hidden = call.weight.detach().float().cpu(), call.input.detach().float().cpu()
    if call.kind != "conv2d":
        return None
    if call.groups == 1 and hidden.shape[0] == count:
        return weight[None].expand(count, *weight.shape), hidden
    if call.groups == count and hidden.shape[0] == 1:
        by_sample = hidden.reshape(count, -1, *hidden.shape[2:])
        return weight.reshape(count, -1, *weight.shape[1:]), by_sample
    return None


def _plain_reading(call: int, runs: list[Run]) -> Reading | None:
    """The convolution at `call` with its scales found, without bias and skip image."""
    samples = [_by_sample(images.calls[call], len(made)) for made, images in runs]
    parts = [weights for weights, _ in filter(None, samples)]
    if len(parts) < len(runs) or any(part.shape[1:] != parts[0].shape[1:] for part in parts):
        return None
    weights = torch.cat(parts)
    first, modulated = weights[0].clone(), not bool((weights == weights[:1]).all())
    if modulated:
        first = _canonical(weights)
        off = weights - first * _styles(weights, first)[:, None, :, None, None]
        if float(off.abs().max()) > SPLIT_TOLERANCE * float(weights.abs().max()):
            return None
    found = runs[0][1].calls[call]
    inside, outside = first.shape[1], first.shape[0]
    layer = FinalLayer(
        "conv2d", first, None,
        (inside, *found.input.shape[2:]), (outside, *found.output.shape[2:]),
        found.stride, found.padding, found.output_padding, found.dilation,
    )  # fmt: skip
    return Reading(layer, call, modulated)


def _canonical(weights: Tensor) -> Tensor:
    """W (out, in, kh, kw) up to its input channels' scales: each of unit norm, its largest entry
    positive, from the sample that scales it most."""
    columns = weights.transpose(1, 2).flatten(2)
    best = columns.norm(dim=2).argmax(dim=0)
    chosen = columns[best, torch.arange(len(best))]
    chosen = chosen / chosen.norm(dim=1, keepdim=True).clamp_min(1e-12)
    largest = chosen.gather(1, chosen.abs().argmax(dim=1, keepdim=True))
    chosen = torch.where(largest < 0, -chosen, chosen)
    _, inside, *_ = weights.shape[1:]
    return chosen.reshape(inside, weights.shape[1], *weights.shape[3:]).transpose(0, 1).contiguous()


def _styles(weights: Tensor, canonical: Tensor) -> Tensor:
    """The scales (count, in) of W's input channels in each sample's weights."""
    products = (weights * canonical).sum(dim=(1, 3, 4))
    return products / canonical.square().sum(dim=(0, 2, 3)).clamp_min(1e-12)


def _shaped(images: Images, shape: tuple[int, ...]) -> list[Tensor]:
    """Images (batch, channels, height, width) of one shape, the last made first."""
    return [made.detach().float().cpu() for made in reversed(images.made) if made.shape == shape]


def _completed(layer: FinalLayer, rest: Tensor, scale: float, images: Images) -> FinalLayer | None:
    """The layer with the bias and the skip image that make `rest`."""
    bias = _bias(rest, scale)
    if bias is not None:
        return replace(layer, bias=bias)
    inside, height, width = layer.input_shape
    count, channels, *size = rest.shape
    small = (height // 2, width // 2)
    if size != [2 * small[0], 2 * small[1]]:
        return None
    seen = _shaped(images, (count, channels, *small))
    for skip in (way.block(channels, small) for way in WAYS) if seen else ():
        for s in seen:
            bias = _bias(rest - skip(s), scale)
            if bias is not None:
                shape = (inside + channels, height, width)
                return replace(layer, bias=bias, skip=skip, input_shape=shape)
    return None


def _bias(rest: Tensor, scale: float) -> Tensor | None:
    """The constant by channel that `rest` is, if it is one, for images as large as `scale`."""
    bias = rest.mean(dim=(0, 2, 3))
    off = float((rest - bias[:, None, None]).abs().max())
    return bias if off <= SPLIT_TOLERANCE * scale else None
