"""Fill the report's template. Keys and names are attacker-controlled: autoescape is on, no URL
is ever built from them, and the page's policy allows no script and no network."""

from __future__ import annotations

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
from flipad_ops.scanning.outcome.summary import sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat
from flipad_ops.scanning.report.charts import Series, p_histogram, score_histogram
from flipad_ops.scanning.report.heat import bar_uri, heat_uri
from flipad_ops.scanning.report.remade import remade

#: Rows of skips and errors listed; the rest is counted.
LISTED = 100
#: Prefixes shown, the most telling ones.
PREFIXES = 200


def render(outcome: ScanOutcome) -> str:
    """The whole page as text."""
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
    unconfirmed, more_unconfirmed = _unconfirmed(outcome) if two_witnesses else ([], 0)
    summary = summarise(outcome)
    return template.render(
        summary=summary,
        said=sentences(summary),
        sections=[_section(outcome, name) for name in outcome.cards],
        exhibits=[_exhibit(outcome, exhibit, scale) for exhibit in outcome.exhibits],
        reference=None if outcome.reference is None else _pictures(*outcome.reference, scale),
        scale=scale,
        bar=bar_uri(),
        more=max(0, len(outcome.of("leak", "review")) - len(outcome.exhibits)),
        skipped=list(islice(outcome.skipped, LISTED)),
        failed=list(islice(outcome.failed, LISTED)),
        suppressed=list(islice((f for f in outcome.notable() if f.suppressed), LISTED)),
        more_suppressed=max(0, outcome.tally.suppressed - LISTED),
        more_skipped=max(0, len(outcome.skipped) - LISTED),
        more_failed=max(0, len(outcome.failed) - LISTED),
        two_witnesses=two_witnesses,
        unconfirmed=unconfirmed,
        more_unconfirmed=more_unconfirmed,
        spoke=spoke,
        called=outcome.called[:PREFIXES],
        more_called=max(0, len(outcome.called) - PREFIXES),
        said_of=said_of,
        listed=outcome.of("leak", "review")[:LISTED],
        unit="row" if all(c.unit == "row" for c in outcome.cards.values()) else "image",
        request=outcome.request,
        command=outcome.command,
        code_version=__version__,
    )


def write_html(outcome: ScanOutcome, stream: TextIO) -> None:
    """The page."""
    stream.write(render(outcome))


HTML = OutputFormat(write_html, pictures=True)


def _section(outcome: ScanOutcome, name: str) -> dict[str, Any]:
    card = outcome.cards[name]
    rows = (finding.row for finding in outcome.findings if finding.row.attributor == name)
    pairs = ((row.score, row.p) for row in rows)
    scores, p = np.fromiter(pairs, dtype=np.dtype((np.float64, 2))).T
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


def _unconfirmed(outcome: ScanOutcome) -> tuple[list[Finding], int]:
    """Images that the first witness alone accepts, which are not attributed, and how many more."""
    alone = (
        finding
        for finding in outcome.findings
        if finding.verdict == "clear"
        and finding.row.testimony is not None
        and finding.row.testimony.witnesses == "first"
    )
    return list(islice(alone, LISTED)), sum(1 for _ in alone)


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
