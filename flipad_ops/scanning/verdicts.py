"""Decisions of a whole scan for one attributor: arrays are held, findings made when asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flipad_ops.scanning.decisions import PrefixTest, benjamini_hochberg, judge, prefix_tests
from flipad_ops.scanning.ledger import Ledger
from flipad_ops.scanning.outcome import Stream
from flipad_ops.scanning.records import Finding
from flipad_ops.scanning.request import ScanRequest
from flipad_ops.scanning.scorer import Scorer, label


class Verdicts:
    """Decisions over the scored rows of the ledger's current run; nine bytes an image are held.

    Parameters
    ----------
    request : ScanRequest
    scorer : Scorer
    ledger : Ledger
    """

    def __init__(self, request: ScanRequest, scorer: Scorer, ledger: Ledger) -> None:
        self._request, self._scorer, self._ledger = request, scorer, ledger
        self._name = label(scorer)
        p, self._attributed = ledger.evidence(self._name)
        self._q: NDArray[np.float64] = benjamini_hochberg(p)

    def __len__(self) -> int:
        return len(self._q)

    def findings(self) -> Stream[Finding]:
        """All of them, in listing order."""
        return Stream(lambda: self._read(False), len(self._q))

    def suspects(self) -> Stream[Finding]:
        """Those that are not clear, in listing order: few, and found without a look at the rest."""
        return Stream(lambda: self._read(True), int(self._attributed.sum()))

    def prefix_tests(self) -> list[PrefixTest]:
        """One test per prefix, at the worst measured bound of the false positive rate."""
        card = self._scorer.card
        bounds = [high for key, (_, _, high) in card.measured.items() if key != "tpr"]
        hits, leaks = self._attributed, self._attributed & (self._q <= self._request.fdr)
        keys = self._ledger.keys(self._name)
        return prefix_tests(
            zip(keys, hits.tolist(), leaks.tolist(), strict=True),
            max([*bounds, self._scorer.p_floor]),
        )

    def warning(self) -> str:
        """That single images cannot be significant among so many, if some would have been."""
        floor, count, fdr = self._scorer.p_floor, len(self._q), self._request.fdr
        needed = floor * count / max(fdr, 1e-12)
        if needed <= 1 or not bool((self._attributed & (self._q > fdr)).any()):
            return ""
        return (
            f"{self._name}: the calibration floor p = {floor:.2g} cannot reach "
            f"FDR {fdr:g} for single images among {count}; at least "
            f"{int(np.ceil(needed))} equally strong ones are needed together."
        )

    def _read(self, suspects: bool) -> Iterator[Finding]:
        request, floor, count = self._request, self._scorer.p_floor, len(self._q)
        rows = self._ledger.rows("scored", self._name, suspects=suspects)
        q_values = self._q[self._attributed] if suspects else self._q
        for row, q in zip(rows, q_values, strict=True):
            finding = judge(row, float(q), fdr=request.fdr, floor=floor, count=count)
            why = request.suppress(finding) if finding.verdict != "clear" else ""
            yield finding if not why else Finding(row, finding.q, finding.verdict, finding.why, why)
