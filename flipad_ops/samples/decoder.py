"""Decode batches of untrusted bytes to the shapes that scorers take: the part workers run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from flipad_ops.common.errors import ImageError
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.decode import DecodeLimits, decode
from flipad_ops.samples.row import is_row
from flipad_ops.samples.sample_kinds import DeepShape, Sample, Values, take
from flipad_ops.samples.size_rule import SizeRule


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image, once per wanted shape.

    Parameters
    ----------
    fits : tuple of array or str
        Pixels as `images.sample` says, or the reason why there are none of this shape.
    died : str
        Why decoding came to no end (process gone, time over); empty otherwise.
    notes : tuple of str
        For each shape what a score rests on if not the usual; empty for nothing to say.
    """

    fits: tuple[Values | str, ...]
    died: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecodeJob:
    """What to make of every image.

    Parameters
    ----------
    shapes : tuple of Sample
    size_rule : {"reject", "centre-crop", "resize"}
    limits : DecodeLimits
    """

    shapes: tuple[Sample, ...]
    size_rule: SizeRule
    limits: DecodeLimits

    def run(self, data: bytes) -> Decoded:
        """Decode one image; what cannot be used comes back as reasons."""
        try:
            image = None if is_row(data) else decode(data, self.limits)
        except ImageError as error:
            return Decoded((str(error),) * len(self.shapes))
        fits: list[Values | str] = []
        notes = []
        for shape in self.shapes:
            try:
                values, note = take(data, image, shape, self.size_rule)
                fits.append(values)
                notes.append(note)
            except ImageError as error:
                fits.append(str(error))
                notes.append("")
        return Decoded(tuple(fits), notes=tuple(notes) if any(notes) else ())

    def to_json(self) -> bytes:
        """For the worker's command pipe."""
        shapes = [
            {type(shape).__name__: asdict(shape)}
            if isinstance(shape, Columns | DeepShape)
            else shape
            for shape in self.shapes
        ]
        fields = {"size_rule": self.size_rule, "limits": asdict(self.limits)}
        return json.dumps({"shapes": shapes, **fields}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> DecodeJob:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        shapes = tuple(_sample(shape) for shape in fields["shapes"])
        return cls(shapes, fields["size_rule"], DecodeLimits(**fields["limits"]))


def _sample(fields: Any) -> Sample:
    if isinstance(fields, list):
        channels, height, width = fields
        return channels, height, width
    if "Columns" in fields:
        return Columns.from_list(fields["Columns"]["columns"])
    return DeepShape(**fields["DeepShape"])


class Decoder(Protocol):
    """Decodes batches; used by one thread."""

    def start(self) -> None:
        """Get ready, when there is time to; `decode` would do it too."""
        ...

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        """One result for each blob, in order."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class InlineDecoder:
    """Decodes in this process: for tests, and for images one trusts."""

    def __init__(self, job: DecodeJob) -> None:
        self.job = job

    def start(self) -> None:
        """Always ready."""

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        """One result for each blob, in order."""
        for data in blobs:
            yield self.job.run(data)

    def close(self) -> None:
        """Nothing to let go of."""
