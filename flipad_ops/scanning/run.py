"""One scan: list, read, decode, score, decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from flipad_ops.errors import ImageError, NothingToScan, TargetError
from flipad_ops.images.decode import DecodeLimits, decode
from flipad_ops.images.fit import Shape, SizeRule, fit_to
from flipad_ops.scanning.decisions import PrefixTest, decide, prefix_tests
from flipad_ops.scanning.records import Finding, Row
from flipad_ops.scanning.scorer import AttributorCard, Scorer
from flipad_ops.scanning.targets import Item, Target

if TYPE_CHECKING:
    from flipad_ops.scanning.exhibits import Exhibit

Pixels = NDArray[np.uint8]

#: Called with (done, found so far).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ScanRequest:
    """What to scan and how to decide.

    Parameters
    ----------
    targets : sequence of Target
    fdr : float
        False discovery rate over the scan, per attributor.
    batch_size : int
    size_rule : {"reject", "centre-crop", "resize"}
    limits : DecodeLimits
    max_errors : int
        More failed objects than this make the scan incomplete.
    limit : int or None
        Read at most this many objects.
    """

    targets: Sequence[Target]
    fdr: float = 0.01
    batch_size: int = 64
    size_rule: SizeRule = "reject"
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    max_errors: int = 0
    limit: int | None = None


@dataclass(eq=False)
class ScanOutcome:
    """Everything outputs and exit codes need.

    Parameters
    ----------
    findings : list of Finding
        Every scored row with its decision, attributor by attributor, in listing order.
    skipped, failed : list of Row
    cards : mapping of "name/version" to AttributorCard
    prefixes : mapping of "name/version" to list of PrefixTest
    exhibits : list of Exhibit
        Pictures for the report, filled by `collect_exhibits`.
    reference : pair of (height, width, channels) uint8 and (height, width) float32, or None
        An own sample and its residual map, beside which findings are read.
    """

    request: ScanRequest
    findings: list[Finding]
    skipped: list[Row]
    failed: list[Row]
    cards: dict[str, AttributorCard]
    prefixes: dict[str, list[PrefixTest]]
    floors: dict[str, float]
    started: str
    seconds: float
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    reference: tuple[Pixels, NDArray[np.float32]] | None = None

    @property
    def complete(self) -> bool:
        """Everything listed was read, within the errors allowed."""
        return not self.interrupted and len(self.failed) <= self.request.max_errors

    def of(self, *verdicts: str) -> list[Finding]:
        """Findings with one of the verdicts, most certain first."""
        chosen = [f for f in self.findings if f.verdict in verdicts]
        return sorted(chosen, key=lambda f: (f.q, f.row.score or 0.0, f.row.key))


def run_scan(
    request: ScanRequest, scorers: Sequence[Scorer], progress: Progress = lambda done, found: None
) -> ScanOutcome:
    """Scan every target with every scorer; reading and decoding is shared.

    Raises
    ------
    TargetError
        A target cannot be listed.
    NothingToScan
        The targets hold no file, or no image that any scorer takes.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    rows: list[Row] = []
    lanes = [_Lane(scorer, request, rows) for scorer in scorers]
    done, interrupted = 0, False
    try:
        for target, item in _items(request):
            _read_into(lanes, target, item, request, rows)
            done += 1
            progress(done, sum(lane.found for lane in lanes))
        for lane in lanes:
            lane.flush()
        progress(done, sum(lane.found for lane in lanes))
    except KeyboardInterrupt:
        interrupted = True
    if done == 0 and not interrupted:
        raise NothingToScan(f"Nothing to scan in {', '.join(t.uri for t in request.targets)}.")
    return _conclude(request, scorers, rows, started, time.perf_counter() - clock, interrupted)


def _conclude(
    request: ScanRequest,
    scorers: Sequence[Scorer],
    rows: list[Row],
    started: str,
    seconds: float,
    interrupted: bool,
) -> ScanOutcome:
    findings: list[Finding] = []
    prefixes: dict[str, list[PrefixTest]] = {}
    warnings: list[str] = []
    for scorer in scorers:
        name = label(scorer)
        scored = [row for row in rows if row.attributor == name and row.outcome == "scored"]
        decided = decide(scored, fdr=request.fdr, floor=scorer.p_floor)
        findings += decided
        bounds = [high for key, (_, _, high) in scorer.card.measured.items() if key != "tpr"]
        prefixes[name] = prefix_tests(decided, max([*bounds, scorer.p_floor]))
        needed = scorer.p_floor * len(scored) / max(request.fdr, 1e-12)
        if needed > 1 and any(finding.verdict == "review" for finding in decided):
            warnings.append(
                f"{name}: the calibration floor p = {scorer.p_floor:.2g} cannot reach FDR "
                f"{request.fdr:g} for single images among {len(scored)}; at least "
                f"{int(np.ceil(needed))} equally strong ones are needed together."
            )
    return ScanOutcome(
        request=request,
        findings=findings,
        skipped=[row for row in rows if row.outcome == "skipped"],
        failed=[row for row in rows if row.outcome == "failed"],
        cards={label(scorer): scorer.card for scorer in scorers},
        prefixes=prefixes,
        floors={label(scorer): scorer.p_floor for scorer in scorers},
        started=started,
        seconds=seconds,
        interrupted=interrupted,
        warnings=warnings,
    )


def label(scorer: Scorer) -> str:
    """ "name/version", the key of a scorer in rows and outcomes."""
    return f"{scorer.name}/{scorer.version}"


def _items(request: ScanRequest) -> Iterator[tuple[Target, Item]]:
    count = 0
    for target in request.targets:
        for item in target.list():
            if request.limit is not None and count >= request.limit:
                return
            count += 1
            yield target, item


def _read_into(
    lanes: Iterable[_Lane], target: Target, item: Item, request: ScanRequest, rows: list[Row]
) -> None:
    """Read and decode once; hand the pixels to every lane that takes their size."""
    problem: tuple[str, str] | None = None
    try:
        image = decode(target.read(item), request.limits)
    except TargetError as error:
        problem = ("failed", str(error))
    except ImageError as error:
        problem = ("skipped", str(error))
    for lane in lanes:
        base = Row(item.key, target.uri, item.size, "scored", lane.name, etag=item.etag)
        if problem is not None:
            rows.append(replace_row(base, outcome=problem[0], reason=problem[1]))
            continue
        base = replace_row(base, sha256=image.sha256)
        try:
            pixels = fit_to(image, lane.shape, request.size_rule)
        except ImageError as error:
            rows.append(replace_row(base, outcome="skipped", reason=str(error)))
            continue
        lane.add(base, pixels)


def replace_row(row: Row, **changes: object) -> Row:
    """A copy of `row` with some fields changed."""
    return Row(**{**vars(row), **changes})


class _Lane:
    """Collects one scorer's images into batches."""

    def __init__(self, scorer: Scorer, request: ScanRequest, rows: list[Row]) -> None:
        self.scorer, self.rows, self.size = scorer, rows, request.batch_size
        self.name, self.shape = label(scorer), scorer.image_shape
        self.waiting: list[tuple[Row, Pixels]] = []
        self.found = 0

    def add(self, row: Row, pixels: Pixels) -> None:
        self.waiting.append((row, pixels))
        if len(self.waiting) >= self.size:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        stacked = np.stack([pixels for _, pixels in self.waiting])
        batch = self.scorer.score(torch.from_numpy(stacked).float() / 255)
        for index, (row, _) in enumerate(self.waiting):
            self.rows.append(
                replace_row(
                    row,
                    score=float(batch.score[index]),
                    p=float(batch.p[index]),
                    attributed=bool(batch.attributed[index]),
                    converged=bool(batch.converged[index]),
                )
            )
        self.found += int(batch.attributed.sum())
        self.waiting.clear()


__all__ = ["Progress", "ScanOutcome", "ScanRequest", "Shape", "label", "run_scan"]
