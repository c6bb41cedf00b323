"""What a scan found, streamed from the ledger as often as somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import AttributorCard
from flipad_ops.scanning.decisions.coverage import Coverage
from flipad_ops.scanning.decisions.groups import PrefixTest
from flipad_ops.scanning.decisions.over_time import OverTime
from flipad_ops.scanning.decisions.records import SAVED_FORMAT, Finding, Row, replace_row
from flipad_ops.scanning.outcome.corroboration import Named, named_alone
from flipad_ops.scanning.outcome.exhibit import Exhibit, Pixels
from flipad_ops.scanning.plan.scan_plan import ScanPlan

#: Objects that their files alone name, as far as they are listed.
NAMED = 1000


@dataclass(frozen=True)
class Tally:
    """Counts over all findings and skips, made in one pass.

    `accepted` are the reviews that both witnesses accept.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    suppressed: int = 0
    not_converged: int = 0
    skips: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class ScanOutcome:
    """Everything outputs and exit codes need.

    Parameters
    ----------
    findings : collection of Finding
        Every scored row with its decision, attributor by attributor, in listing order.
    skipped, failed : collection of Row
    cards : mapping of "name/version" to AttributorCard
    prefixes : mapping of "name/version" to list of PrefixTest
    signal : int
        The signal that interrupted the scan; 0 if none.
    broken : list of str
        Why the scan is incomplete whatever the errors allowed, e.g. a listing that broke off.
    reused : int
        Objects that the ledger knew, not read again.
    screened : int
        Scores of this run that needed no inversion: the pixels alone ruled the image out.
    command : str
        The command line, for the record.
    exhibits : list of Exhibit
        Pictures for the report, filled by `collect_exhibits`.
    suspects : collection of Finding, optional
        The findings that are not clear; looked for among all when not given.
    unconverged : int, optional
        Scores whose inversion did not reach its tolerance; counted when not given.
    stages : mapping of name to (images, seconds)
        What the scores cost, over all attributors; as far as they say so.
    reference : pair of (height, width, channels) uint8 and (height, width) float32, or None
        An own sample and its residual map, beside which findings are read.
    coverage : Coverage
        Objects by what became of them; counted from the rows when not given.
    tests : mapping of "name/version" to int
        Tests of the family.
    run_id : str
        The MLflow run it was logged to.
    unrecorded : str
        Why it could not be logged to MLflow although that was asked for.
    unwritten : list of str
        Which outputs could not be written, and why.
    scored : mapping of "name/version" to int, optional
        Findings of each attributor; counted when not given.
    listed : int
        Objects from which a sample was drawn; 0 where none was.
    over_time : OverTime or None
        Where its ledger stands, if that spreads a yearly level over its scans.
    saved_format : int
        By whose rules it was decided.
    stating : callable
        Rows whose files say something of their making, those of one object beside each other.
    """

    request: ScanPlan
    findings: Collection[Finding]
    skipped: Collection[Row]
    failed: Collection[Row]
    cards: dict[str, AttributorCard]
    prefixes: dict[str, list[PrefixTest]]
    floors: dict[str, float]
    started: str
    seconds: float
    signal: int = 0
    broken: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reused: int = 0
    screened: int = 0
    stages: dict[str, tuple[int, float]] = field(default_factory=dict)
    command: str = ""
    exhibits: list[Exhibit] = field(default_factory=list)
    suspects: Collection[Finding] | None = None
    unconverged: int | None = None
    reference: tuple[Pixels, NDArray[np.float32]] | None = None
    coverage: Coverage | None = None
    tests: dict[str, int] = field(default_factory=dict)
    run_id: str = ""
    unrecorded: str = ""
    unwritten: list[str] = field(default_factory=list)
    scored: dict[str, int] | None = None
    listed: int = 0
    over_time: OverTime | None = None
    saved_format: int = SAVED_FORMAT
    stating: Callable[[], Iterable[Row]] = tuple

    @property
    def interrupted(self) -> bool:
        """A signal ended the scan early."""
        return self.signal != 0

    @property
    def complete(self) -> bool:
        """Something was scored, all that was listed is read, and not too much was skipped."""
        return self.sound and bool(self.findings) and self.covered

    @property
    def sound(self) -> bool:
        """Nothing went wrong, within the errors allowed."""
        return (
            not self.interrupted
            and not self.broken
            and len(self.failed) <= self.request.max_errors * max(1, len(self.cards))
        )

    @property
    def covered(self) -> bool:
        """Not too many images were skipped."""
        return self.seen.share_skipped <= self.request.max_skipped

    @cached_property
    def seen(self) -> Coverage:
        """`coverage`, or what the rows say."""
        if self.coverage is not None:
            return self.coverage
        reasons = ((row.reason, 1) for row in self.skipped)
        return Coverage.of(len(self.findings), len(self.failed), reasons)

    @cached_property
    def tally(self) -> Tally:
        """Counts, made on first use."""
        verdicts = Counter(finding.verdict for finding in self.flagged)
        accepted = sum(finding.accepted for finding in self.flagged)
        suppressed = self._sorted[1].total()
        verdicts["clear"] = len(self.findings) - verdicts.total() - suppressed
        unconverged = self.unconverged
        if unconverged is None:
            unconverged = sum(finding.row.converged is False for finding in self.findings)
        skips = Counter(kind_of(row.reason) for row in self.skipped)
        return Tally(Counter[str](verdicts), accepted, suppressed, unconverged, skips)

    @property
    def flagged(self) -> list[Finding]:
        """Leaks and reviews that are not suppressed, most certain first; without their latents."""
        return self._sorted[0]

    @cached_property
    def _sorted(self) -> tuple[list[Finding], Counter[str]]:
        """What is flagged, and how many are suppressed by attributor, in one pass."""
        flagged, suppressed = list[Finding](), Counter[str]()
        for finding in self.notable():
            if finding.suppressed:
                suppressed[finding.row.attributor] += 1
            else:
                flagged.append(_light(finding))
        return sorted(flagged, key=certainty), suppressed

    @cached_property
    def named(self) -> tuple[list[Named], int]:
        """Objects that nobody attributes, although their files name a registered checkpoint: the
        first of them, and how many there are."""
        found, count = list[Named](), 0
        for count, each in enumerate(named_alone(self.stating(), self.cards), 1):
            if count <= NAMED:
                found.append(each)
        return found, count

    def suppressed(self) -> Iterable[Finding]:
        """Flagged, but known or allowed."""
        found = self.notable() if self._sorted[1] else ()
        return (finding for finding in found if finding.suppressed)

    @cached_property
    def clear(self) -> Counter[str]:
        """How many scored images each attributor is not the attributor of."""
        if self.scored is None:
            return Counter(f.row.attributor for f in self.findings if f.verdict == "clear")
        left = Counter(self.scored)
        left.subtract(Counter(finding.row.attributor for finding in self.flagged))
        left.subtract(self._sorted[1])
        return left

    def address(self, row: Row) -> str:
        """Where the object of a row is, as a URI reference."""
        targets = {target.uri: target for target in self.request.targets}
        return targets[row.target].address(row.key)

    @cached_property
    def called(self) -> list[tuple[str, PrefixTest]]:
        """(attributor, test) of the groups that are findings, most certain first."""
        found = [(name, t) for name, tests in self.prefixes.items() for t in tests if t.called]
        return sorted(found, key=lambda pair: (pair[1].q, pair[1].p, pair[1].prefix))

    def notable(self) -> Iterable[Finding]:
        """Findings that are not clear, suppressed ones too, in the order of `findings`."""
        if self.suspects is not None:
            return self.suspects
        return (finding for finding in self.findings if finding.verdict != "clear")

    def of(self, *verdicts: str) -> list[Finding]:
        """Findings with one of the verdicts, most certain first; suppressed ones left out.

        All are held at once, so latents are left out: `findings` and `notable` have them.
        """
        if "clear" in verdicts:
            whole = (f for f in self.findings if f.verdict in verdicts and not f.suppressed)
            chosen = [_light(finding) for finding in whole]
            return sorted(chosen, key=certainty)
        return [finding for finding in self.flagged if finding.verdict in verdicts]


def certainty(finding: Finding) -> tuple[float, float, str, float, str]:
    """The most certain first; scores are an order only within an attributor."""
    row = finding.row
    p, score = (1.0 if row.p is None else row.p), row.score or 0.0
    return finding.q, p, row.attributor, score, row.key


def _light(finding: Finding) -> Finding:
    said = finding.row.testimony
    if said is None or not said.latent:
        return finding
    row = replace_row(finding.row, testimony=replace(said, latent=""))
    return replace(finding, row=row)


def kind_of(reason: str) -> str:
    """A reason without its numbers, so that alike ones are counted together."""
    digits = "".join("0" if c.isdigit() else c for c in reason)
    while "00" in digits:
        digits = digits.replace("00", "0")
    return digits.replace("0", "N")[:60]
