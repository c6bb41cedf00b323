"""What a generator does to sigma's values before it returns them: an affine map to its pixel
range, a clamp, channels last.

Outputs elsewhere in the library are sigma's own values, so that an inversion of `(tanh(x)+1)/2`
is that of `tanh(x)`; a tail says how to get back to them. A clamp loses what it cuts off, as black
and white do in a file: the inversion's intervals are infinite there (`output.interval_target`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from flipad_ops.generators.output import ActivationName

Range = tuple[float, float]

#: Ranges that generators return pixels in.
RANGES: tuple[Range, ...] = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))


LEVELS = 255.0


@dataclass(frozen=True)
class Tail:
    """`clamp(scale * sigma + shift)`, perhaps with channels last.

    Parameters
    ----------
    scale, shift : float
        scale above 0.
    clamp : (low, high) or None
        In units of what the generator returns.
    channels_last : bool
        The generator returns (batch, height, width, channels).
    """

    scale: float = 1.0
    shift: float = 0.0
    clamp: Range | None = None
    channels_last: bool = False

    def forward(self, activated: Tensor) -> Tensor:
        """Sigma's values to what the generator returns, channels first; any shape."""
        if (self.scale, self.shift) != (1.0, 0.0):
            activated = activated * self.scale + self.shift
        return activated if self.clamp is None else activated.clamp(*self.clamp)

    def undo(self, returned: Tensor) -> Tensor:
        """What the generator returns to sigma's values (batch, ...), as far as a clamp leaves
        them."""
        if self.channels_last:
            returned = returned.movedim(-1, 1)
        if (self.scale, self.shift) == (1.0, 0.0):
            return returned
        return (returned - self.shift) / self.scale

    def undo_range(self, span: Range) -> Range:
        """A range of returned values in sigma's units."""
        low, high = span
        return (low - self.shift) / self.scale, (high - self.shift) / self.scale

    def __str__(self) -> str:
        parts = []
        if (self.scale, self.shift) != (1.0, 0.0):
            parts.append(f"times {self.scale:g} plus {self.shift:g}")
        if self.clamp is not None:
            parts.append(f"clamped to [{self.clamp[0]:g}, {self.clamp[1]:g}]")
        if self.channels_last:
            parts.append("channels last")
        return ", ".join(parts)


#: The generator returns sigma's values as they are.
PLAIN = Tail()


def candidates(activation: ActivationName, stated: Range | None) -> Iterator[tuple[Tail, Range]]:
    """Known tails of an activation and the returned values that are black and white, simplest
    first.

    Parameters
    ----------
    stated : (low, high) or None
        The owner's word for black and white; it adds tails that map sigma's range to it.
    """
    ranges = RANGES if stated is None else (stated, *RANGES)
    if activation != "identity":
        own = (-1.0, 1.0) if activation == "tanh" else (0.0, 1.0)
        yield PLAIN, stated or own
        for span in ranges:
            if span != own:
                yield _mapping(own, span), stated or span
        if stated is not None and stated[1] >= LEVELS:  # what would be whole numbers of a file
            for span in ranges:
                mapping = _mapping(own, span)
                yield Tail(mapping.scale, mapping.shift, (0.0, LEVELS)), stated
        return
    usual = stated or (-1.0, 1.0)
    yield PLAIN, usual
    mapped = [(_mapping((-1.0, 1.0), span), span) for span in ranges if span != (-1.0, 1.0)]
    mapped.append((_mapping((0.0, 1.0), (-1.0, 1.0)), (-1.0, 1.0)))  # as TAESD
    mapped.append((Tail(255.0, 0.0), (0.0, 255.0)))
    mapped.append((Tail(255.0, 0.5), (0.0, 255.0)))
    mapped.append((Tail(127.5, 128.0), (0.0, 255.0)))  # as the StyleGAN family saves images
    for tail, span in mapped:
        yield tail, stated or span
    for span in ranges:
        yield Tail(clamp=span), stated or span
    for tail, span in mapped:
        yield Tail(tail.scale, tail.shift, span), stated or span


def _mapping(source: Range, target: Range) -> Tail:
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return Tail(scale, target[0] - scale * source[0])
