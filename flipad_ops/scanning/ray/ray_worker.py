"""What runs on the cluster: reads and decodes some objects, or scores one batch."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import ScoreBatch, Scorer
from flipad_ops.common.errors import EngineError, FlipadError
from flipad_ops.common.version import __version__
from flipad_ops.provenance import NOTHING, Stated
from flipad_ops.samples.decoder import Decoded, Decoder
from flipad_ops.samples.space import Values
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.pipeline.batches import Pixels, join
from flipad_ops.scanning.pipeline.joint_scorers import Joint, sharing_groups
from flipad_ops.scanning.pipeline.pipeline import Fetched, Pipeline
from flipad_ops.scanning.pipeline.sizes import make_decoders, plumbing, sample_spaces
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import Item, Target

#: Gives the attributors on a device; travels to the workers.
Loader = Callable[[str], Sequence[Scorer]]


@dataclass(frozen=True)
class Reading:
    """What came of one object.

    Parameters
    ----------
    outcome, reason, sha256
        As in `Fetched`.
    item : Item
        As it was when read.
    fits : tuple of int or str
        For each kind of sample the row of its pixels, or why there are none.
    notes, stated
        As in `Decoded`.
    """

    item: Item
    outcome: str = ""
    reason: str = ""
    sha256: str = ""
    fits: tuple[int | str, ...] = ()
    notes: tuple[str, ...] = ()
    stated: Stated = NOTHING


class Worker:
    """One process of the cluster, with the attributors on one device.

    Parameters
    ----------
    request : ScanPlan
    loader : callable
    device : str
        "cuda" is the GPU that Ray gave to this process.
    version : str
        flipad_ops of the driver.
    """

    def __init__(self, request: ScanPlan, loader: Loader, device: str, version: str) -> None:
        self.request, self.loader, self.device, self.version = request, loader, device, version
        self._targets: dict[str, Target] = {}

    def start(self) -> str:
        """Load everything; the name of the machine.

        Raises
        ------
        EngineError
            This machine cannot do its part; the message names it.
        """
        host = socket.gethostname()
        if self.version != __version__:
            raise EngineError(
                f"Ray worker on {host}: flipad_ops is {__version__} there and {self.version} here."
            )
        try:
            for target in self.request.targets:
                target.check_reach()
            scorers = self.loader(self.device)
        except FlipadError as error:
            raise EngineError(f"Ray worker on {host}: {error}") from error
        self.spaces = sample_spaces(scorers)
        groups = [[scorers[place] for place in places] for places in sharing_groups(scorers)]
        self.joints = [Joint(group, self.request.batch_size) for group in groups]
        self.places = [self.spaces.index(group[0].space) for group in groups]
        self.decoders = [_Lasting(decoder) for decoder in make_decoders(self.request, self.spaces)]
        return host

    def read(self, target: Target, items: Sequence[Item]) -> tuple[list[Reading], list[Values]]:
        """Fetch and decode objects of one target.

        Returns
        -------
        readings : list of Reading
            One for each item.
        pixels : list of (k, ...) arrays
            For each kind of sample those that there are.
        """
        target = self._targets.setdefault(target.uri, target)  # the first keeps its connections
        picked = ((target, item) for item in items)
        sizes = plumbing(self.request, self.spaces, [target])
        stacks: list[list[Pixels]] = [[] for _ in self.spaces]
        readings = []
        with Pipeline(picked, None, list(self.decoders), sizes) as pipeline:
            for got in pipeline.results(lambda: False):
                if isinstance(got, Fetched):
                    readings.append(_reading(got, stacks))
            if pipeline.listing_error is not None:
                raise pipeline.listing_error
        return readings, [
            np.stack(stack) if stack else np.empty((0, *space.shape), space.dtype)
            for stack, space in zip(stacks, self.spaces, strict=True)
        ]

    def score(
        self,
        group: int,
        picks: Sequence[tuple[int, int]],
        wanted: NDArray[np.bool_],
        *sources: list[Values],
    ) -> list[ScoreBatch]:
        """Score one batch of the `group`-th of the attributors' `sharing_groups`.

        Parameters
        ----------
        picks : sequence of (source, row), of length n
            Which images of `sources`, results of `read`.
        wanted : (members, n) bool
            Which member's score of which image is asked for.

        Returns
        -------
        list of ScoreBatch
            One per member, over its wanted images.
        """
        subject, place = self.joints[group], self.places[group]
        pixels = np.stack([sources[source][place][row] for source, row in picks])
        # A smaller size than the driver's is what memory turned out to allow.
        size = subject.batch_size
        parts = [slice(start, start + size) for start in range(0, len(pixels), size)]
        batches = [subject.score(pixels[part], wanted[:, part]) for part in parts]
        return [join(member) for member in zip(*batches, strict=True)]


class _Lasting:
    """A decoder that outlives the pipeline it is lent to."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def start(self) -> None:
        """As the decoder does."""
        self.decoder.start()

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        """As the decoder does."""
        return self.decoder.decode(blobs)

    def close(self) -> None:
        """Nothing: the next pipeline goes on with it."""


def for_workers(request: ScanPlan, device: str) -> ScanPlan:
    """The request as it travels: one decoding process beside each CPU worker by default."""
    workers = 1 if request.workers is None and device == "cpu" else request.workers
    return replace(request, suppress=_nothing, workers=workers)


def _nothing(row: Row) -> str:
    return ""


def _reading(got: Fetched, stacks: list[list[Pixels]]) -> Reading:
    if got.outcome or got.decoded is None:
        return Reading(got.item, got.outcome, got.reason, got.sha256)
    fits: list[int | str] = []
    for fit, stack in zip(got.decoded.fits, stacks, strict=True):
        if isinstance(fit, str):
            fits.append(fit)
        else:
            fits.append(len(stack))
            stack.append(fit)
    return Reading(
        got.item,
        sha256=got.sha256,
        fits=tuple(fits),
        notes=got.decoded.notes,
        stated=got.decoded.stated,
    )
