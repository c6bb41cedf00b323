"""Recorded findings, checked again: the same content, the same attributor, the same decision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flipad_ops.attribution.scorer import ScoreBatch, Scorer, label, testimonies
from flipad_ops.common.errors import AttributorCorrupt, AttributorMissing, TargetError
from flipad_ops.samples.decoder import DecodeJob
from flipad_ops.scanning.decisions.family import Family, family_of
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.rules import judge
from flipad_ops.scanning.outcome.evidence import Evidence
from flipad_ops.scanning.outcome.remade_again import (
    State,
    near_threshold,
    regenerate,
    said_again,
    worse,
)
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.tolerances import MODEL_TOLERANCE, SEARCH_TOLERANCE, TOLERANCE


@dataclass(frozen=True)
class Check:
    """What became of a finding.

    Parameters
    ----------
    finding : Finding
        As recorded.
    state : {"confirmed", "differs", "unavailable"}
    reasons : tuple of str
        What differs, or why the content could not be had; one sentence each.
    score, p : float or None
        As found now.
    """

    finding: Finding
    state: State
    reasons: tuple[str, ...] = ()
    score: float | None = None
    p: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "finding": self.finding.to_dict(), "reasons": list(self.reasons)}


class Verifier:
    """Checks findings of a saved scan.

    Parameters
    ----------
    saved : ScanOutcome
        As `load_outcome` gives it.
    scorers : iterable of Scorer
        The attributors by which the findings were made.
    evidence : Evidence
    tolerance : float
        Relative difference of scores that still counts as the same.
    regenerate : bool
        Make each image again from its recorded latent as well.

    Raises
    ------
    AttributorMissing
        Findings name an attributor that is not among `scorers`.
    AttributorCorrupt
        An attributor's files are not those by which the scan was made.
    """

    def __init__(
        self,
        saved: ScanOutcome,
        scorers: Iterable[Scorer],
        evidence: Evidence,
        tolerance: float = TOLERANCE,
        regenerate: bool = False,
    ) -> None:
        self._saved, self._evidence, self._tolerance = saved, evidence, tolerance
        self._regenerate = regenerate
        self._scorers = _pinned(saved, scorers)
        self._families = families(saved)

    def check(self, findings: Iterable[Finding]) -> Iterator[Check]:
        """One check per finding, in their order."""
        for finding in findings:
            yield self._one(finding)

    def _one(self, finding: Finding) -> Check:
        row, request = finding.row, self._saved.request
        scorer = self._scorers[row.attributor]
        job = DecodeJob((scorer.space,), request.size_rule, request.limits)
        try:
            (values,) = job.run(self._evidence.find(row)).fits
        except TargetError as error:
            return Check(finding, "unavailable", (str(error),))
        if isinstance(values, str):
            return Check(finding, "unavailable", (values,))
        pixels = scorer.space.to_tensor(values[None])
        batch = scorer.score(pixels)
        score, p = float(batch.score[0]), float(batch.p[0])
        reasons = [
            *self._rescored(finding, scorer, batch),
            *said_again(row.testimony, testimonies(batch)[0]),
            *self._redecided(finding),
        ]
        state: State = "differs" if reasons else "confirmed"
        if self._regenerate:
            remade = regenerate(row.testimony, scorer, pixels[0])
            reasons += remade.reasons
            state = worse(state, remade.state)
        return Check(finding, state, tuple(reasons), score, p)

    def _rescored(self, finding: Finding, scorer: Scorer, batch: ScoreBatch) -> Iterator[str]:
        score, p = float(batch.score[0]), float(batch.p[0])
        row = finding.row
        searched = SEARCH_TOLERANCE if row.testimony is not None else 0.0
        tolerance = max(self._tolerance, searched)
        if row.score is None or not math.isclose(score, row.score, rel_tol=tolerance):
            yield f"The score is {score:.6g}, recorded was {row.score}."
        if not _near_p(row.p, p, scorer.p_floor):
            yield f"p is {p:.6g}, recorded was {row.p}."
        near = math.isclose(score, scorer.threshold, rel_tol=tolerance)
        near |= near_threshold(row.testimony)
        if not near and row.attributed is not bool(batch.attributed[0]):
            yield "The image is on the other side of the threshold."

    def _redecided(self, finding: Finding) -> Iterator[str]:
        """Whether the rows of the file lead to the decision that stands in it."""
        row, saved = finding.row, self._saved
        family = self._families[row.attributor]
        p = row.p if row.p is not None else 1.0
        over_time = saved.over_time
        mine = over_time is None or finding.batch in (0, over_time.batch)
        beside = finding.suppressed and saved.saved_format > 1 and not finding.batch
        # The tests of an earlier batch are not all in this file: its q is taken as it stands.
        q = (family.q_beside(p) if beside else family.q(p)) if mine else finding.q
        if not math.isclose(q, finding.q, rel_tol=1e-9):
            yield f"q is {q} by the rows of the file, recorded was {finding.q}."
            return
        floor = saved.floors[row.attributor]
        level = saved.request.fdr
        if over_time is not None and not finding.suppressed:
            level = over_time.levels.get(finding.batch, 0.0)  # none: it is not decided yet
        judged = judge(row, q, fdr=level, floor=floor, count=family.count)
        if judged.verdict != finding.verdict:
            yield f"The verdict is {judged.verdict}, recorded was {finding.verdict}."


def _pinned(saved: ScanOutcome, scorers: Iterable[Scorer]) -> dict[str, Scorer]:
    by_name = {label(scorer): scorer for scorer in scorers}
    for name, card in saved.cards.items():
        if name not in by_name:
            raise AttributorMissing(f"The findings were made by {name}, which is not at hand.")
        if by_name[name].card.attributor_sha256 != card.attributor_sha256:
            raise AttributorCorrupt(
                f"The files of {name} are not those by which the scan was made "
                f"({card.attributor_sha256[:12]})."
            )
    return {name: by_name[name] for name in saved.cards}


def families(saved: ScanOutcome) -> Mapping[str, Family]:
    """By attributor. Format 1 was decided over all rows of an attributor, copies and all."""
    fdr, over_time = saved.request.fdr, saved.over_time
    if saved.saved_format > 1:
        batch = 0 if over_time is None else over_time.batch
        return dict.fromkeys(saved.cards, family_of(saved.findings, saved.cards, fdr, batch))
    p: dict[str, list[float]] = {name: [] for name in saved.cards}
    for finding in saved.findings:
        if finding.row.p is not None:
            p[finding.row.attributor].append(finding.row.p)
    return {name: Family({name: np.array(values)}, fdr) for name, values in p.items()}


def _near_p(recorded: float | None, now: float, floor: float) -> bool:
    """Whether another search may give such a p-value."""
    if recorded is None:
        return False
    if min(recorded, now) >= floor - 1e-12:
        # A score next to one of the null's may change places with it, or with two.
        return abs(recorded - now) <= 2 * floor + 1e-9
    # Of a tail's model, which follows the distance.
    return recorded > 0 and now > 0 and abs(math.log(recorded / now)) <= MODEL_TOLERANCE
