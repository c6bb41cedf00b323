"""Decisions of a scan whose ledger spreads a yearly level over its scans.

A scan decides what no scan before it has tested, and keeps that in the ledger: an image is tested
once, and its verdict stays. Findings are looked for once all that is new, as a whole, is beyond
chance at the scan's share of the yearly level. A scan that was interrupted decides nothing, as the
scan that goes on would test the same contents again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from flipad_ops.attribution.scorer import Scorer, attainable_p
from flipad_ops.scanning.decisions.family import Family
from flipad_ops.scanning.decisions.groups import LEAST, PrefixTest, grouping
from flipad_ops.scanning.decisions.over_time import OverTime, next_batch, standing
from flipad_ops.scanning.decisions.power import fewest
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.decisions.rules import judge
from flipad_ops.scanning.ledger.ledger import Batches, Ledger
from flipad_ops.scanning.outcome.verdicts import Verdicts
from flipad_ops.scanning.plan.scan_plan import ScanPlan


class CarriedVerdicts(Verdicts):
    """Decisions over the ledger's current run; those over new contents are recorded at once.

    Parameters
    ----------
    request : ScanPlan
        Its `yearly` is above 0.
    scorers : sequence of Scorer
    ledger : Ledger
    batches : Batches
        Of the ledger.
    ended : int
        The signal that ended the scan early; 0 if none.
    """

    def __init__(
        self,
        request: ScanPlan,
        scorers: Sequence[Scorer],
        ledger: Ledger,
        batches: Batches,
        ended: int = 0,
    ) -> None:
        self._batches, self._history, self._now = batches, batches.history(), batches.now()
        before = batches.called()
        super().__init__(request, scorers, ledger)
        tests, number = self.family.count, 0
        self._prefixes = {name: list[PrefixTest]() for name in self._scorers}
        if tests and not ended:
            self._prefixes = super().prefix_tests()
            if self.family.cut >= 0 or self._called():
                self._pass()
            number = self._record()
        self._add(before)
        self.over_time: OverTime = standing(
            self._history, self._now, request.yearly, self._next.level, tests, number
        )
        self._by_number = {batch.number: batch for batch in self._history}

    def prefix_tests(self) -> dict[str, list[PrefixTest]]:
        """Groups by their new contents, and those that earlier scans called and that are there."""
        return self._prefixes

    def warnings(self) -> list[str]:
        """That nothing could open the gate, where that is so."""
        floors = {name: attainable_p(s.p_floor, s.card) for name, s in self._scorers.items()}
        batch, tests = self._next, self.family.tests
        closed = self.family.count > 0 and batch.decided == batch.level
        if not closed or fewest(floors, tests, batch.level) is not None:
            return super().warnings()
        return [
            f"Today's share of the yearly level, {batch.level:.2g}, is below what the calibration "
            "can show: no number of new images alone could be called. Fit with more foreign "
            "images, scan less often, or raise --yearly (0 decides every scan by itself)."
        ]

    def _tests(self, name: str) -> Iterator[tuple[str, float]]:
        return self._batches.untested(name)

    def _level(self, tests: int) -> float:
        request = self._request
        batch = next_batch(self._history, self._now, request.yearly, request.fdr, tests)
        self._next = batch
        return batch.level

    def _new(self, name: str, sha256: str, key: str) -> bool:
        return self._batches.decision(name, sha256, key) is None

    def _pass(self) -> None:
        """The gate is open: images and groups are decided as those of a scan by itself."""
        self.level = self._request.fdr
        self._next = replace(self._next, decided=self.level)
        self.family.cut = self.family.cut_at(self.level)
        self._prefixes = super().prefix_tests()

    def _called(self) -> list[tuple[str, PrefixTest]]:
        return [(n, test) for n, tests in self._prefixes.items() for test in tests if test.called]

    def _record(self) -> int:
        self._batches.record(self._next, self._tested(), self._called())
        self._history = [*self._history, self._next]
        return self._next.number

    def _tested(self) -> list[tuple[str, str, float]]:
        """(attributor, content, q) of the family's tests."""
        return [
            (name, content, self.family.q(p))
            for name, hidden in self._suppressed.items()
            for content, p in self._batches.untested(name)
            if content not in hidden
        ]

    def _add(self, before: Sequence[tuple[str, PrefixTest]]) -> None:
        """Groups called by earlier scans, as far as two attributed images of them are there."""
        there = {name: self._attributed(name) for name in {name for name, _ in before}}
        for name, test in before:
            mine = self._prefixes.get(name)
            if mine is None or there[name][test.prefix] < LEAST:
                continue
            if not any(each.called for each in mine if each.prefix == test.prefix):
                others = [each for each in mine if each.prefix != test.prefix]
                self._prefixes[name] = sorted([*others, test], key=lambda each: each.prefix)

    def _attributed(self, name: str) -> Counter[str]:
        """Attributed contents of this run that count, by group, tested before or not."""
        group = grouping(self._request.group)
        hidden = self._suppressed.get(name, {})
        found = {
            (group(key), sha256 or key)
            for key, sha256, attributed, _ in self._ledger.judged(name, self.family.cut)
            if attributed and sha256 not in hidden
        }
        return Counter(prefix for prefix, _ in found)

    def _judged(self, row: Row, floor: float, beside: bool) -> Finding:
        found = self._batches.decision(row.attributor, row.sha256, row.key)
        if found is not None:
            batch = self._by_number[found[0]]
            closed = batch.decided == batch.level
            decided = judge(
                row, found[1], fdr=batch.decided, floor=floor, count=batch.tests, share=closed
            )
            return replace(decided, batch=batch.number)
        if beside:
            return super()._judged(row, floor, beside)
        return undecided(row, self.family)


def undecided(row: Row, family: Family) -> Finding:
    """The verdict of a row that no batch has tested: an attributed one is for review."""
    finding = judge(row, family.q(row.p if row.p is not None else 1.0), fdr=0.0, floor=0.0, count=0)
    if finding.verdict == "clear":
        return finding
    return replace(finding, verdict="review", why="Not decided before the scan is complete.")
