"""Decode batches of untrusted bytes to the samples that scorers take: the part workers run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from flipad_ops.common.errors import ImageError
from flipad_ops.provenance import NOTHING, Stated
from flipad_ops.samples.decode import DecodeLimits, decode
from flipad_ops.samples.row import is_row
from flipad_ops.samples.sample_kinds import space_of
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.samples.space import SampleSpace, Values


@dataclass(frozen=True, eq=False)
class Decoded:
    """One file, once per wanted kind of sample.

    Parameters
    ----------
    fits : tuple of array or str
        As `SampleSpace.take` gives it, or the reason why there is none.
    died : str
        Why decoding came to no end (process gone, time over); empty otherwise.
    notes : tuple of str
        For each kind what a score rests on if not the usual; empty for nothing to say.
    stated : Stated
        What the file says of its own making.
    """

    fits: tuple[Values | str, ...]
    died: str = ""
    notes: tuple[str, ...] = ()
    stated: Stated = NOTHING


@dataclass(frozen=True)
class DecodeJob:
    """What to make of every image.

    Parameters
    ----------
    spaces : tuple of SampleSpace
    size_rule : {"reject", "centre-crop", "resize", "search"}
    limits : DecodeLimits
    """

    spaces: tuple[SampleSpace, ...]
    size_rule: SizeRule
    limits: DecodeLimits

    def run(self, data: bytes) -> Decoded:
        """Decode one image; what cannot be used comes back as reasons."""
        try:
            image = None if is_row(data) else decode(data, self.limits)
        except ImageError as error:
            return Decoded((str(error),) * len(self.spaces))
        fits: list[Values | str] = []
        notes = []
        for space in self.spaces:
            try:
                values, note = space.take(data, image, self.size_rule)
                fits.append(values)
                notes.append(note)
            except ImageError as error:
                fits.append(str(error))
                notes.append("")
        stated = NOTHING if image is None else image.stated
        return Decoded(tuple(fits), notes=tuple(notes) if any(notes) else (), stated=stated)

    def to_json(self) -> bytes:
        """For the worker's command pipe."""
        spaces = [(space.shape, space.to_metadata()) for space in self.spaces]
        fields = {"size_rule": self.size_rule, "limits": asdict(self.limits)}
        return json.dumps({"spaces": spaces, **fields}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> DecodeJob:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        spaces = tuple(space_of(words, shape) for shape, words in fields["spaces"])
        return cls(spaces, fields["size_rule"], DecodeLimits(**fields["limits"]))


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
