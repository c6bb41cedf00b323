"""Generators that take more than a latent: classes drawn for each image, and constants.

Metadata tells the arguments in order: `{"inputs": ["latent", {"classes": 10}, {"constant": 7.5}]}`.
Everything behind works on one latent: its numbers in a row, then one between -1 and 1 for each
class, which no gradient moves: a search tries them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.common.errors import LatentUnknown
from flipad_ops.generators.trace import TracesItself

HOW_TO_STATE = (
    'the arguments in order, such as {"inputs": ["latent", {"classes": 10}, {"constant": 1.0}]}'
)
LATENT = "latent"


@dataclass(frozen=True)
class Classes:
    """An argument that is a class, (batch,) int64, or (batch, count) float32 if `one_hot`.

    Parameters
    ----------
    weights : tuple of float
        How often each is drawn.
    """

    weights: tuple[float, ...]
    one_hot: bool = False

    def draw(self, count: int, source: torch.Generator) -> Tensor:
        """(count,) float32 in (-1, 1): classes as the latent holds them."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        return self._held(torch.multinomial(weights, count, replacement=True, generator=source))

    def choices(self) -> Tensor:
        """(n,) float32: those that are ever drawn, as the latent holds them."""
        return self._held(torch.tensor(self.weights).nonzero()[:, 0])

    def _held(self, classes: Tensor) -> Tensor:
        return (2 * classes + 1) / len(self.weights) - 1

    def argument(self, held: Tensor) -> Tensor:
        """What the generator takes, of (batch,) numbers that `draw` gave."""
        total = len(self.weights)
        chosen = ((held.detach() + 1) / 2 * total).floor().long().clamp(0, total - 1)
        return F.one_hot(chosen, total).to(held) if self.one_hot else chosen


@dataclass(frozen=True, eq=False)
class Constant:
    """An argument that is the same for every image: one number, or a tensor of one image's."""

    value: Tensor

    def argument(self, latents: Tensor) -> Tensor:
        """(batch, ...), on the latents' device."""
        value = self.value.to(latents.device)
        return value.expand(latents.shape[0], *value.shape)


Input = str | Classes | Constant


def stated_inputs(metadata: Mapping[str, Any] | None) -> tuple[Input, ...]:
    """The arguments that metadata tells; none where it tells nothing.

    Raises
    ------
    LatentUnknown
    """
    stated = (metadata or {}).get("inputs")
    if stated is None:
        return ()
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        raise LatentUnknown(f"Metadata inputs is not a list: {HOW_TO_STATE}.")
    found = tuple(map(_one, stated))
    if found.count(LATENT) != 1:
        raise LatentUnknown(f"Metadata inputs must name one latent: {HOW_TO_STATE}.")
    return found


def stated_shape(metadata: Mapping[str, Any] | None) -> tuple[int, ...]:
    """Of the latent that the generator takes; () where metadata does not tell."""
    return tuple(((metadata or {}).get("latent") or {}).get("shape") or ())


def classes_of(inputs: Sequence[Input]) -> tuple[Classes, ...]:
    """Those that are drawn for each image."""
    return tuple(each for each in inputs if isinstance(each, Classes))


def _one(stated: Any) -> Input:
    if stated == LATENT:
        return LATENT
    if isinstance(stated, Mapping) and "classes" in stated:
        count, weights = stated["classes"], stated.get("weights")
        if not isinstance(count, int) or not 1 <= count <= 10**6:
            raise LatentUnknown(f"Metadata inputs: classes {count!r} is not a number of them.")
        weights = [1.0] * count if weights is None else weights
        try:
            known = tuple(float(each) for each in weights)
        except (TypeError, ValueError):
            known = ()
        if len(known) != count or min(known) < 0 or not 0 < math.fsum(known) < math.inf:
            raise LatentUnknown(f"Metadata inputs: the weights of {count} classes make no sense.")
        return Classes(known, bool(stated.get("one_hot", False)))
    if isinstance(stated, Mapping) and "constant" in stated:
        try:
            return Constant(torch.as_tensor(stated["constant"]))
        except (TypeError, ValueError, RuntimeError) as error:
            raise LatentUnknown("Metadata inputs: a constant is no number or tensor.") from error
    raise LatentUnknown(f"Metadata inputs holds {stated!r}: write {HOW_TO_STATE}.")


class Conditioned(nn.Module):
    """A generator of several arguments as one of a latent.

    Parameters
    ----------
    shape : tuple of int
        Of the latent that the generator takes.
    """

    def __init__(self, generator: Any, inputs: Sequence[Input], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.generator, self.inputs, self.shape = generator, tuple(inputs), shape

    def forward(self, joined: Tensor) -> Any:
        """What the generator returns for (batch, size of the latent + classes), or, without
        classes, (batch, *shape)."""
        return self.generator(*arguments(joined, self.inputs, self.shape))


def arguments(joined: Tensor, inputs: Sequence[Input], shape: tuple[int, ...]) -> list[Tensor]:
    """What a generator of these inputs takes, for (batch, size of the latent + classes) numbers,
    or, without classes, (batch, *shape)."""
    size, row = math.prod(shape), joined.flatten(1)
    place, found = size, []
    for each in inputs:
        if isinstance(each, Classes):
            found.append(each.argument(row[:, place]))
            place += 1
        elif isinstance(each, Constant):
            found.append(each.argument(joined))
        else:
            found.append(row[:, :size].reshape(-1, *shape))
    return found


def conditioned(generator: Any, metadata: Mapping[str, Any] | None) -> Any:
    """The generator as one of a latent, where metadata tells more arguments and it takes them."""
    inputs = stated_inputs(metadata)
    if not inputs or takes_one(generator):
        return generator
    return Conditioned(generator, inputs, stated_shape(metadata))


def takes_one(generator: Any) -> bool:
    """Whether it takes the latent alone: an exported program that has its conditions inside, or
    what is told of them and feeds them itself."""
    if isinstance(generator, TracesItself):
        return True
    if not isinstance(generator, torch.fx.GraphModule):
        return isinstance(generator, Conditioned)
    return len([node for node in generator.graph.nodes if node.op == "placeholder"]) == 1
