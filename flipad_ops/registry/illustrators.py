"""Generators for pictures alone: of attributors whose second witness shows none, or that have none.

What cannot be had leaves a report without such pictures, and says why; never does a scan fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flipad_ops.attribution.likeness import Illustrator
from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.errors import AttributorError
from flipad_ops.registry.scorers import LoadedScorer
from flipad_ops.registry.second_witness import reach


class Illustrators:
    """Loads an attributor's generator when its findings are to be pictured, and not before.

    Parameters
    ----------
    scorers : sequence of Scorer
    device, tracking_uri, allow_pickle
        As in `load_scorers`.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        device: str = "cpu",
        tracking_uri: str | None = None,
        allow_pickle: bool = False,
    ) -> None:
        self._scorers = {label(each): each for each in scorers if isinstance(each, LoadedScorer)}
        self._reach = partial(
            reach, device=device, tracking_uri=tracking_uri, allow_pickle=allow_pickle
        )

    def __call__(self, name: str) -> Illustrator:
        """By the attributor's "name/version".

        Raises
        ------
        AttributorError
            Its generator cannot be had, or not be searched.
        """
        if name not in self._scorers:
            raise AttributorError("The attributor is not at hand.")
        return Illustrator(self._reach(self._scorers[name]))
