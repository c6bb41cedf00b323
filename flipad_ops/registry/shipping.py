"""Attributors as bytes, for processes that have neither registry nor credentials."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flipad_ops.attribution.scorer import AttributorCard, Scorer
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.common.errors import FlipadError
from flipad_ops.registry.scorers import LoadedScorer
from flipad_ops.registry.second_witness import (
    PackedGenerator,
    bring_packed,
    has_witness,
    pack,
    silence,
)
from flipad_ops.registry.store import tracking


@dataclass(frozen=True)
class Part:
    """One attributor.

    Parameters
    ----------
    files : mapping of name to content
        What `save_attributor` writes.
    generator : PackedGenerator or None
        For its second witness, where that speaks.
    silent : str
        Why it does not.
    """

    files: Mapping[str, bytes]
    card: AttributorCard
    generator: PackedGenerator | None = None
    silent: str = ""


@dataclass(frozen=True)
class ShippedScorers:
    """Picklable; called with a device it gives the scorers, wherever it is."""

    parts: tuple[Part, ...]

    def __call__(self, device: str) -> list[Scorer]:
        """The scorers on `device`; raises what `load_attributor` raises.

        A generator that loaded where the scan began and does not load here raises
        GeneratorUnavailable: workers that see an image differently must not share a scan.
        """
        scorers: list[Scorer] = []
        for part in self.parts:
            with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
                for name, content in part.files.items():
                    Path(folder, name).write_bytes(content)
                scorer = LoadedScorer(load_attributor(folder, device), part.card)
            scorer.silent = part.silent
            if part.generator is not None:
                bring_packed(scorer, part.generator, device)
            scorers.append(scorer)
        return scorers


def ship(
    scorers: Sequence[Scorer], tracking_uri: str | None = None, allow_pickle: bool = False
) -> ShippedScorers:
    """Pack scorers that `load_scorers` gave, with the generators of second witnesses that speak;
    where one is no longer to be had, `silent` says so from now on."""
    parts = []
    for scorer in scorers:
        assert isinstance(scorer, LoadedScorer)
        with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
            save_attributor(scorer.attributor, folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        generator = None
        if has_witness(scorer) and not scorer.silent:
            try:
                with tracking(tracking_uri) as client:
                    generator = pack(client, scorer.attributor.generator, allow_pickle)
            except FlipadError as error:
                scorer.silent = silence(scorer, error)
        parts.append(Part(files, scorer.card, generator, scorer.silent))
    return ShippedScorers(tuple(parts))
