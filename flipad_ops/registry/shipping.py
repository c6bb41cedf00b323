"""Attributors as bytes, for processes that have neither registry nor credentials."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flipad_ops.attribution.scorer import AttributorCard, Scorer
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.registry.scorers import LoadedScorer


@dataclass(frozen=True)
class ShippedScorers:
    """Picklable; called with a device it gives the scorers, wherever it is.

    Parameters
    ----------
    parts : tuple of (files, card)
        What `save_attributor` writes, by name, and the card of each attributor.
    """

    parts: tuple[tuple[Mapping[str, bytes], AttributorCard], ...]

    def __call__(self, device: str) -> list[Scorer]:
        """The scorers on `device`; raises what `load_attributor` raises."""
        scorers: list[Scorer] = []
        for files, card in self.parts:
            with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
                for name, content in files.items():
                    Path(folder, name).write_bytes(content)
                scorers.append(LoadedScorer(load_attributor(folder, device), card))
        return scorers


def ship(scorers: Sequence[Scorer]) -> ShippedScorers:
    """Pack scorers that `load_scorers` gave."""
    parts = []
    for scorer in scorers:
        assert isinstance(scorer, LoadedScorer)
        with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
            save_attributor(scorer.attributor, folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        parts.append((files, scorer.card))
    return ShippedScorers(tuple(parts))
