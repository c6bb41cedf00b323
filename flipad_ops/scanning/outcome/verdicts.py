"""Decisions of a whole scan for one attributor; findings are made when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.rules import (
    PrefixTest,
    grouping,
    judge,
    needed_together,
    prefix_tests,
    q_by_level,
)
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.outcome.scan_outcome import Stream
from flipad_ops.scanning.plan.scan_plan import ScanPlan


class Verdicts:
    """Decisions over the scored rows of the ledger's current run.

    p-values take few values (one more than a stratum has calibration images), and equal ones have
    equal q-values: what is held is one q per value, not per image.

    Parameters
    ----------
    request : ScanPlan
    scorer : Scorer
    ledger : Ledger
    """

    def __init__(self, request: ScanPlan, scorer: Scorer, ledger: Ledger) -> None:
        self._request, self._scorer, self._ledger = request, scorer, ledger
        self._name = label(scorer)
        p, attributed = ledger.evidence(self._name)
        self._count, self._attributed = len(p), int(attributed.sum())
        levels, q = q_by_level(p)
        self._q = dict(zip(levels.tolist(), q.tolist(), strict=True))
        #: The largest p-value that is significant over the scan; q does not fall as p rises.
        self._cut = float(levels[q <= request.fdr].max(initial=-1.0))
        self._reviews = bool((attributed & (p > self._cut)).any())

    def __len__(self) -> int:
        return self._count

    def findings(self) -> Stream[Finding]:
        """All of them, in listing order."""
        return Stream(lambda: self._read(False), self._count)

    def suspects(self) -> Stream[Finding]:
        """Those that are not clear, in listing order: few, and found without a look at the rest."""
        return Stream(lambda: self._read(True), self._attributed)

    def prefix_tests(self) -> list[PrefixTest]:
        """One test per prefix, at the worst measured bound of the false positive rate."""
        card = self._scorer.card
        bounds = [high for key, (_, _, high) in card.measured.items() if key != "tpr"]
        judged = self._ledger.judged(self._name, self._cut)
        rate = max([*bounds, self._scorer.p_floor])
        return prefix_tests(judged, rate, grouping(self._request.group))

    def warning(self) -> str:
        """That single images cannot be significant among so many, if some would have been."""
        floor, fdr = self._scorer.p_floor, self._request.fdr
        together = needed_together(floor, self._count, fdr)
        if together == 1 or not self._reviews:
            return ""
        least = (
            f"at least {together} equally strong ones are needed together"
            if together <= self._count
            else "not even all of them together could"
        )
        return (
            f"{self._name}: the calibration floor p = {floor:.2g} cannot reach "
            f"FDR {fdr:g} for single images among {self._count}; {least}."
        )

    def _read(self, suspects: bool) -> Iterator[Finding]:
        request, floor = self._request, self._scorer.p_floor
        for row in self._ledger.rows("scored", self._name, suspects=suspects):
            q = self._q[row.p if row.p is not None else 1.0]
            finding = judge(row, q, fdr=request.fdr, floor=floor, count=self._count)
            why = request.suppress(finding) if finding.verdict != "clear" else ""
            yield finding if not why else Finding(row, finding.q, finding.verdict, finding.why, why)
