"""Discover and verify the split G = sigma o L o F (FLIPAD, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from flipad_ops.errors import NotAttributable, UsageError
from flipad_ops.generators.latent import LatentSpec
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import ActivationName, OutputMap, default_output_map
from flipad_ops.generators.trace import Generator, LinearCall, run_traced

#: Largest allowed |sigma(L(h)) - G(z)| in units of the output range.
SPLIT_TOLERANCE = 1e-4
PROBES = 4


def discover(
    generator: Generator,
    latent: LatentSpec,
    metadata: Mapping[str, Any] | None = None,
    *,
    batched: bool = True,
    device: str = "cpu",
) -> tuple[FinalLayer, OutputMap, tuple[int, ...]]:
    """Find the final layer and output activation by running the generator.

    Parameters
    ----------
    generator : callable, (batch, *latent.shape) -> (batch, *sample_shape)
    latent : LatentSpec
    metadata : mapping, optional
        The owner's word: "activation" and "output_range" override what is found.
    batched : bool
        False for programs exported at batch size 1.

    Returns
    -------
    layer, output_map, sample_shape

    Raises
    ------
    NotAttributable
        No activation reproduces the output, the final layer's weights depend on the latent,
        or a sample depends on its batch-mates.
    """
    latents = latent.sample(PROBES, seed=0).to(device)
    output, call = _probe(generator, latents, batched)
    layer = call.layer()
    # The last latent alone: another batch, and not the latent that `call` took its weights from.
    again, other = _probe(generator, latents[-1:], batched)
    if other.weight.shape != call.weight.shape or not torch.equal(other.weight, call.weight):
        raise NotAttributable("The final layer's weights change with the latent (modulation).")
    if not all(bool(torch.isfinite(t).all()) for t in (output, call.input)):
        raise NotAttributable("The generator gives NaN or infinite values.")
    if call.input.shape[0] != PROBES:
        raise NotAttributable(
            f"The last linear operation ({layer.kind}) ran on {call.input.shape[0]} rows for "
            f"{PROBES} latents: a sample is not one call of it."
        )
    if layer.output_shape != tuple(output.shape[1:]) and (
        layer.kind != "linear" or call.output.numel() != output.numel()
    ):
        raise NotAttributable(
            f"The last linear operation ({layer.kind}) gives {list(layer.output_shape)} but the "
            f"sample is {list(output.shape[1:])}: something other than an activation follows it."
        )
    if not torch.allclose(again, output[-1:], atol=SPLIT_TOLERANCE, rtol=0):
        raise NotAttributable(
            "A sample changes with its batch or from run to run: the generator was registered in "
            "training mode, or it draws noise of its own."
        )
    linear = layer(call.input.float().cpu()).reshape(output.shape)
    return layer, _match_activation(linear, output.float().cpu(), metadata), tuple(output.shape[1:])


def _probe(generator: Generator, latents: Tensor, batched: bool) -> tuple[Tensor, LinearCall]:
    if batched:
        output, call, _ = run_traced(generator, latents)
        return output, call
    runs = [run_traced(generator, latent) for latent in torch.split(latents, 1)]
    first = runs[0][1]
    joined = LinearCall(
        **{
            **vars(first),
            "input": torch.cat([call.input for _, call, _ in runs]),
            "output": torch.cat([call.output for _, call, _ in runs]),
        }
    )
    return torch.cat([output for output, _, _ in runs]), joined


def _match_activation(
    linear: Tensor, output: Tensor, metadata: Mapping[str, Any] | None
) -> OutputMap:
    stated = (metadata or {}).get("activation")
    span = (metadata or {}).get("output_range")
    names: tuple[ActivationName, ...] = get_args(ActivationName)
    if stated is not None:
        if stated not in names:
            raise NotAttributable(
                f"Metadata states activation {stated!r}; known are {', '.join(names)}."
            )
        names = (stated,)
    errors: dict[ActivationName, float] = {}
    maps: dict[ActivationName, OutputMap] = {}
    for name in names:
        output_map = default_output_map(name)
        if span is not None:
            output_map = _with_range(output_map, span)
        error = float((output_map.activate(linear) - output).abs().max())
        errors[name] = error / (output_map.high - output_map.low)
        maps[name] = output_map
    # The best, not the first: on faint outputs tanh is within the tolerance of the identity.
    best = min(errors, key=lambda name: errors[name])
    if errors[best] <= SPLIT_TOLERANCE:
        return maps[best]
    tried = ", ".join(f"{name} off by {error:.2g}" for name, error in errors.items())
    raise NotAttributable(
        f"The output is not an invertible activation of the last linear operation ({tried})."
    )


def _with_range(output_map: OutputMap, span: Any) -> OutputMap:
    try:
        low, high = (float(value) for value in span)
        return OutputMap(output_map.activation, low, high)
    except (TypeError, ValueError, UsageError) as error:
        raise NotAttributable(f"Metadata output_range {span!r} is not [low, high].") from error
