"""Which activation, and which map to pixels after it, makes the output of the last layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from torch import Tensor

from flipad_ops.common.errors import NotAttributable, UsageError
from flipad_ops.generators.output import ActivationName, OutputMap
from flipad_ops.generators.output_range import MeasuredRange
from flipad_ops.generators.tail import PLAIN, Range, Tail, candidates

#: Largest allowed |tail(sigma(L(h))) - G(z)| in units of the output range.
SPLIT_TOLERANCE = 1e-4
#: Share of a clamp's range that outputs must span, and share of pixels between black and white.
LEAST_SPREAD, LEAST_GREY = 0.25, 0.01


def match_output(
    linear: Tensor, output: Tensor, metadata: Mapping[str, Any] | None
) -> tuple[OutputMap, Tail]:
    """The activation and tail that turn `linear` into `output`, float32 tensors of one shape.

    Raises
    ------
    NotAttributable
        None of the known ones does, the metadata makes no sense, or almost all pixels are black
        or white.
    RangeUnknown
        There is no activation, and samples do not tell what is black and white.
    """
    names = _names(metadata)
    stated = _stated_range(metadata)
    errors: dict[ActivationName, float] = {}
    best: tuple[float, OutputMap, Tail] | None = None
    for name in names:
        for tail, span in candidates(name, stated):
            if not _spread_over(output, tail):
                continue
            output_map = OutputMap(name, *tail.undo_range(span))
            off = float((tail.forward(output_map.activate(linear)) - output).abs().max())
            error = off / (span[1] - span[0])
            errors[name] = min(error, errors.get(name, error))
            # The best, not the first: on faint outputs tanh is within the tolerance of the
            # identity. Of equals the first, which is the simplest.
            if best is None or error < best[0]:
                best = error, output_map, tail
    if best is None or best[0] > SPLIT_TOLERANCE:
        tried = ", ".join(f"{name} off by {error:.2g}" for name, error in errors.items())
        raise NotAttributable(
            "The output is not an invertible activation of the last linear operation, nor the "
            f"usual affine map or clamp of one ({tried})."
        )
    output_map, tail = best[1], best[2]
    if output_map.activation == "identity" and tail == PLAIN and stated is None:
        measured = MeasuredRange.of(output)
        if measured.usual() is None:
            _check_grey(output, output_map, tail)  # what has gone wild is not asked about
        output_map = OutputMap("identity", *measured.require())
    _check_grey(output, output_map, tail)
    return output_map, tail


def _spread_over(output: Tensor, tail: Tail) -> bool:
    """A clamp is believed when outputs use a good part of it: a ReLU is none to [0, 255]."""
    if tail.clamp is None:
        return True
    low, high = tail.clamp
    return float(output.max() - output.min()) >= LEAST_SPREAD * (high - low)


def _check_grey(output: Tensor, output_map: OutputMap, tail: Tail) -> None:
    """Refuse what is black and white alone, whether by weights gone wild or by a wrong range."""
    pixels = output_map.to_pixels(tail.undo(output))
    grey = float(((pixels > 0.5 / 255) & (pixels < 1 - 0.5 / 255)).float().mean())
    if grey < LEAST_GREY:
        low, high = float(output.min()), float(output.max())
        raise NotAttributable(
            f"Only {grey:.1%} of the pixels are neither black nor white (outputs from {low:.3g} "
            f"to {high:.3g}): there is nothing to invert.",
            remedy="Check the latent's distribution, the logged weights and the output_range",
        )


def _names(metadata: Mapping[str, Any] | None) -> tuple[ActivationName, ...]:
    known: tuple[ActivationName, ...] = get_args(ActivationName)
    stated = (metadata or {}).get("activation")
    if stated is None:
        return known
    if stated not in known:
        raise NotAttributable(
            f"Metadata states activation {stated!r}; known are {', '.join(known)}."
        )
    return (stated,)


def _stated_range(metadata: Mapping[str, Any] | None) -> Range | None:
    span = (metadata or {}).get("output_range")
    if span is None:
        return None
    try:
        low, high = (float(value) for value in span)
        OutputMap("identity", low, high)
    except (TypeError, ValueError, UsageError) as error:
        raise NotAttributable(f"Metadata output_range {span!r} is not [low, high].") from error
    return low, high
