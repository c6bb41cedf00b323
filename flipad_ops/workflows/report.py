"""Read a finished scan again, with pictures where its images can still be had."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flipad_ops.common.errors import AttributorError, FlipadError, UsageError
from flipad_ops.common.shown_text import printable
from flipad_ops.storage import AS_CONFIGURED, S3Access

if TYPE_CHECKING:
    from flipad_ops.attribution.scorer import Scorer
    from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome


_PLAIN = "Its findings are shown as found, without what it makes of them."


@dataclass(frozen=True)
class ReportRequest:
    """What to report on, as `flipadops report` takes it.

    Parameters
    ----------
    saved : Path
        What `scan` wrote as jsonl.
    pictures : bool
        Read the images of the first findings again.
    illustrate : bool
        As of `ScanRequest`.
    models : tuple of str
        Folders of attributors that are in no registry.
    copies : Path or None
        Folder with copies of images, found by their content.
    """

    saved: Path
    pictures: bool = False
    illustrate: bool = False
    models: tuple[str, ...] = ()
    copies: Path | None = None
    access: S3Access = AS_CONFIGURED
    device: str = "cpu"
    tracking_uri: str | None = None
    allow_pickle: bool = False


def reported(
    request: ReportRequest, told: Callable[[str, int, int], None] = lambda stage, done, of: None
) -> ScanOutcome:
    """The saved outcome. What cannot be pictured is said on stderr.

    Parameters
    ----------
    told : callable
        Of images that are made again: stage, how many are done, and of how many.

    Raises
    ------
    UsageError
        No saved scan, or no such folder.
    """
    from flipad_ops.scanning.outcome.saved import load_outcome

    if request.copies is not None and not request.copies.is_dir():
        raise UsageError(f"--copies {request.copies} is not a folder.")
    outcome = load_outcome(request.saved, request.access)
    if not request.pictures:
        return outcome
    from flipad_ops.scanning.outcome.exhibits import SHOWN, collect_exhibits, reference_exhibit

    scorers = _scorers(request, outcome)
    if scorers:
        from flipad_ops.scanning.plan.samples_within import with_frames, with_tables

        outcome.request = with_frames(with_tables(outcome.request, scorers))
    before, illustrators = len(outcome.warnings), None
    if request.illustrate:
        from flipad_ops.registry.illustrators import Illustrators

        given = (request.device, request.tracking_uri, request.allow_pickle)
        illustrators = Illustrators(scorers, *given)
    outcome.exhibits = collect_exhibits(
        outcome, scorers, copies=request.copies, illustrators=illustrators, told=told
    )
    for sentence in outcome.warnings[before:]:
        _warn(sentence)
    outcome.reference = reference_exhibit(scorers)
    missing = min(SHOWN, len(outcome.flagged)) - len(outcome.exhibits)
    if missing:
        _warn(f"{missing} of the first findings are not pictured: their images cannot be had.")
    return outcome


def _scorers(request: ReportRequest, outcome: ScanOutcome) -> list[Scorer]:
    """The very attributors of the scan, as far as they can be had."""
    from flipad_ops.attribution.scorer import in_registry, label
    from flipad_ops.registry.scorers import load_scorers

    names = [name for name in outcome.cards if in_registry(name)]
    found: list[Scorer] = []
    for model in (*request.models, *names):
        try:
            (scorer,) = load_scorers(
                [model], False, request.device, request.tracking_uri, request.allow_pickle
            )
            name = label(scorer)
            card = outcome.cards.get(name)
            if card is None or card.attributor_sha256 != scorer.card.attributor_sha256:
                raise AttributorError(f"Attributor {name} is not the one that made the scan.")
        except FlipadError as error:
            _warn(f"{error} {_PLAIN}")
            continue
        found.append(scorer)
    for name in outcome.cards.keys() - set(names) - {label(scorer) for scorer in found}:
        _warn(f"{name} is in no registry (--model names its folder). {_PLAIN}")
    return found


def _warn(sentence: str) -> None:
    sys.stderr.write(f"warning: {printable(sentence)}\n")
