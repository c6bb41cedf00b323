"""Fill the report's template. Keys and names are attacker-controlled: autoescape is on, no URL
is ever built from them, and the page's policy allows no script and no network."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from flipad_ops.attribution.words_of_rates import counted
from flipad_ops.common.version import __version__
from flipad_ops.samples.png import thumbnail_uri
from flipad_ops.scanning.decisions.groups import most_telling, said_of
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.witnesses import spoke
from flipad_ops.scanning.outcome.scan_outcome import Exhibit, ScanOutcome
from flipad_ops.scanning.outcome.summary import scored_said, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat
from flipad_ops.scanning.report.charts import Series, p_histogram, score_histogram
from flipad_ops.scanning.report.heat import bar_uri, heat_uri
from flipad_ops.scanning.report.remade import remade

#: Rows of skips and errors listed; the rest is counted.
LISTED = 100
#: Findings named; a page of all of a million would not open.
NAMED = 10_000
#: Prefixes shown, the most telling ones.
PREFIXES = 200


def render(outcome: ScanOutcome) -> Iterator[str]:
    """The page, piece by piece."""
    environment = Environment(
        loader=PackageLoader("flipad_ops.scanning.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["counted"] = counted
    template = environment.get_template("page.html.j2")
    scale = _scale(outcome.exhibits)
    two_witnesses = any(card.second_witness for card in outcome.cards.values())
    scored = Scored(outcome)
    summary = summarise(outcome)
    found = outcome.of("leak", "review")
    return template.generate(
        summary=summary,
        said=sentences(summary),
        scored_said=scored_said(summary),
        sections=[_section(outcome, name, scored.pairs[name]) for name in outcome.cards],
        exhibits=[_exhibit(outcome, exhibit, scale) for exhibit in outcome.exhibits],
        reference=None if outcome.reference is None else _pictures(*outcome.reference, scale),
        scale=scale,
        bar=bar_uri(),
        skipped=list(islice(outcome.skipped, LISTED)),
        failed=list(islice(outcome.failed, LISTED)),
        suppressed=list(islice(outcome.suppressed(), LISTED)),
        more_suppressed=max(0, outcome.tally.suppressed - LISTED),
        more_skipped=max(0, len(outcome.skipped) - LISTED),
        more_failed=max(0, len(outcome.failed) - LISTED),
        two_witnesses=two_witnesses,
        unconfirmed=scored.unconfirmed,
        more_unconfirmed=max(0, scored.alone - LISTED),
        spoke=spoke,
        called=outcome.called[:PREFIXES],
        more_called=max(0, len(outcome.called) - PREFIXES),
        said_of=said_of,
        listed=found[:NAMED],
        more=max(0, len(found) - NAMED),
        several=len(outcome.cards) > 1,
        unit="row" if all(c.unit == "row" for c in outcome.cards.values()) else "image",
        request=outcome.request,
        command=outcome.command,
        code_version=__version__,
    )


def write_html(outcome: ScanOutcome, stream: TextIO) -> None:
    """The page."""
    stream.writelines(render(outcome))


HTML = OutputFormat(write_html, pictures=True)


class Scored:
    """What one pass over the findings says: (score, p) of each attributor, and whom the first
    witness accepts alone, who are not attributed."""

    def __init__(self, outcome: ScanOutcome) -> None:
        self.pairs = {name: array("d") for name in outcome.cards}
        self.unconfirmed, self.alone = list[Finding](), 0
        for finding in outcome.findings:
            row = finding.row
            self.pairs[row.attributor].extend((row.score or 0.0, 1.0 if row.p is None else row.p))
            said = row.testimony
            if finding.verdict == "clear" and said is not None and said.witnesses == "first":
                self.alone += 1
                if self.alone <= LISTED:
                    self.unconfirmed.append(finding)


def _section(outcome: ScanOutcome, name: str, pairs: array[float]) -> dict[str, Any]:
    card = outcome.cards[name]
    scores, p = np.frombuffer(pairs).reshape(-1, 2).T
    series = [Series("own, calibration", card.own_scores, "own")]
    null = [value for values in card.null_scores.values() for value in values]
    series += [Series("foreign, calibration", null, "foreign"), Series("this scan", scores, "scan")]
    return {
        "name": name,
        "card": card,
        "scored": len(scores),
        "floor": outcome.floors[name],
        "tests": most_telling(outcome.prefixes[name], PREFIXES),
        "more_tests": max(0, len(outcome.prefixes[name]) - PREFIXES),
        "scores": score_histogram(series, card.threshold),
        "p_values": p_histogram(p),
    }


def _exhibit(outcome: ScanOutcome, exhibit: Exhibit, scale: float) -> dict[str, Any]:
    pictures = _pictures(exhibit.pixels, exhibit.residual, scale)
    card = outcome.cards[exhibit.finding.row.attributor]
    return {"finding": exhibit.finding, "remade": remade(exhibit, card), **pictures}


def _pictures(pixels: Any, residual: Any, scale: float) -> dict[str, str]:
    return {"image": thumbnail_uri(pixels), "heat": heat_uri(residual, scale)}


def _scale(exhibits: list[Exhibit]) -> float:
    """One scale for every map: the 99.5th percentile over all of them."""
    if not exhibits:
        return 1.0
    values = np.concatenate([exhibit.residual.ravel() for exhibit in exhibits])
    return float(np.quantile(values, 0.995)) or 1.0


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
