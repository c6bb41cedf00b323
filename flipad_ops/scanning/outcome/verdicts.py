"""Decisions of a whole scan; findings are made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.scanning.decisions.family import Family, counted
from flipad_ops.scanning.decisions.groups import PrefixTest, call, grouping, prefix_tests
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.decisions.rules import judge, needed_together
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.outcome.row_stream import Stream
from flipad_ops.scanning.plan.scan_plan import ScanPlan


class Verdicts:
    """Decisions over the scored rows of the ledger's current run.

    Whether a content counts is asked once, of its first attributed row: copies share its fate.

    Parameters
    ----------
    request : ScanPlan
    scorers : sequence of Scorer
    ledger : Ledger
    """

    def __init__(self, request: ScanPlan, scorers: Sequence[Scorer], ledger: Ledger) -> None:
        self._request, self._ledger = request, ledger
        self._scorers = {label(scorer): scorer for scorer in scorers}
        self._suppressed = {name: self._asked(name) for name in self._scorers}
        p = {
            name: counted(self._tests(name), frozenset(self._suppressed[name]))
            for name in self._scorers
        }
        #: At which the family is decided, and the groups.
        self.level = self._level(sum(map(len, p.values())))
        self.family = Family(p, self.level)
        evidence = {name: ledger.evidence(name) for name in self._scorers}
        self._counts = {
            name: (len(p), int(attributed.sum())) for name, (p, attributed) in evidence.items()
        }
        self._reviews = {
            name: bool((attributed & (p > self.family.cut)).any())
            for name, (p, attributed) in evidence.items()
        }

    def scored(self) -> dict[str, int]:
        """How many findings each attributor has."""
        return {name: count for name, (count, _) in self._counts.items()}

    def findings(self) -> Stream[Finding]:
        """All of them, attributor by attributor, in listing order."""
        return self._stream(suspects=False)

    def suspects(self) -> Stream[Finding]:
        """Those that are not clear, in that order: few, and found without a look at the rest."""
        return self._stream(suspects=True)

    def prefix_tests(self) -> dict[str, list[PrefixTest]]:
        """One test per attributor and prefix, at the worst bound of the false positive rate."""
        tests = {name: self._groups(scorer) for name, scorer in self._scorers.items()}
        return call(tests, self.level)

    def warnings(self) -> list[str]:
        """That single images cannot be significant among so many, where some would have been."""
        return list(filter(None, map(self._warning, self._scorers)))

    def _tests(self, name: str) -> Iterator[tuple[str, float]]:
        """(content, p) of what may be tested."""
        return self._ledger.contents(name)

    def _level(self, tests: int) -> float:
        """The false discovery rate of a family of so many tests."""
        return self._request.fdr

    def _new(self, name: str, sha256: str, key: str) -> bool:
        """Whether a content may be tested with its group."""
        return True

    def _groups(self, scorer: Scorer) -> list[PrefixTest]:
        name, card = label(scorer), scorer.card
        bounds = [high for key, (_, _, high) in card.measured.items() if key != "tpr"]
        rate = max([*bounds, scorer.p_floor])
        return prefix_tests(self._contents(name), rate, grouping(self._request.group))

    def _contents(self, name: str) -> Iterator[tuple[str, bool, bool]]:
        """(key, attributed, leak) of what counts: a group's copies of a content once."""
        group, hidden = grouping(self._request.group), self._suppressed[name]
        content, seen = "", set[str]()
        for key, sha256, attributed, leak in self._ledger.judged(name, self.family.cut):
            if sha256 in hidden or not self._new(name, sha256, key):
                continue
            if sha256 != content:
                content, seen = sha256, set()
            place = group(key)
            if place not in seen:
                if sha256:
                    seen.add(place)
                yield key, attributed, leak

    def _warning(self, name: str) -> str:
        floor, fdr = self._scorers[name].p_floor, self.level
        together = needed_together(floor, self.family.count, fdr)
        if together == 1 or not self._reviews[name]:
            return ""
        least = (
            f"at least {together} equally strong ones are needed together"
            if together <= self.family.tests[name]
            else "not even all of them together could"
        )
        # Of what both witnesses accept as made p may be smaller, by the tail's model.
        which = " that it alone tells" if self._scorers[name].card.typical_p else ""
        return (
            f"{name}: the calibration floor p = {floor:.2g} cannot reach FDR {fdr:.3g} for single "
            f"images{which} among {self.family.count}; {least}."
        )

    def _asked(self, name: str) -> dict[str, str]:
        """Why contents do not count, by their hash."""
        found = dict[str, str]()
        for row in self._ledger.rows("scored", name, suspects=True):
            if row.sha256 and row.sha256 not in found:
                found[row.sha256] = self._request.suppress(row)
        return {sha256: why for sha256, why in found.items() if why}

    def _stream(self, suspects: bool) -> Stream[Finding]:
        count = sum(self._counts[name][suspects] for name in self._scorers)
        return Stream(lambda: self._read(suspects), count)

    def _read(self, suspects: bool) -> Iterator[Finding]:
        for name, scorer in self._scorers.items():
            hidden = self._suppressed[name]
            for row in self._ledger.rows("scored", name, suspects=suspects):
                why = hidden.get(row.sha256, "") if row.attributed else ""
                found = self._judged(row, scorer.p_floor, bool(why))
                yield replace(found, suppressed=why) if why else found

    def _judged(self, row: Row, floor: float, beside: bool) -> Finding:
        """The verdict of a row; `beside` the family if it is suppressed."""
        p = row.p if row.p is not None else 1.0
        q = self.family.q_beside(p) if beside else self.family.q(p)
        return judge(row, q, fdr=self.level, floor=floor, count=self.family.count + beside)
