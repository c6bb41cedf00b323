"""Decode batches of untrusted bytes to the shapes that scorers take: the part workers run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from flipad_ops.errors import ImageError
from flipad_ops.images.decode import DecodeLimits, Pixels, decode
from flipad_ops.images.fit import Shape, SizeRule, fit_to


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image, once per wanted shape.

    Parameters
    ----------
    fits : tuple of uint8 (channels, height, width) or str
        Pixels, or the reason why there are none of this shape.
    died : str
        Why decoding came to no end (process gone, time over); empty otherwise.
    """

    fits: tuple[Pixels | str, ...]
    died: str = ""


@dataclass(frozen=True)
class DecodeJob:
    """What to make of every image.

    Parameters
    ----------
    shapes : tuple of (channels, height, width)
    size_rule : {"reject", "centre-crop", "resize"}
    limits : DecodeLimits
    """

    shapes: tuple[Shape, ...]
    size_rule: SizeRule
    limits: DecodeLimits

    def run(self, data: bytes) -> Decoded:
        """Decode one image; what cannot be used comes back as reasons."""
        try:
            image = decode(data, self.limits)
        except ImageError as error:
            return Decoded((str(error),) * len(self.shapes))
        fits: list[Pixels | str] = []
        for shape in self.shapes:
            try:
                fits.append(fit_to(image, shape, self.size_rule))
            except ImageError as error:
                fits.append(str(error))
        return Decoded(tuple(fits))

    def to_json(self) -> bytes:
        """For the worker's command pipe."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> DecodeJob:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        shapes = tuple((c, h, w) for c, h, w in fields["shapes"])
        return cls(shapes, fields["size_rule"], DecodeLimits(**fields["limits"]))


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
