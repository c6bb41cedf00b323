"""Fill the report's template. Keys and names are attacker-controlled: autoescape is on, no URL
is ever built from them, and the page's policy allows no script and no network."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import PurePath
from typing import Any, TextIO

import numpy as np
from jinja2 import Environment

from flipad_ops.attribution.words_of_rates import counted
from flipad_ops.common.templates import environment
from flipad_ops.common.version import __version__
from flipad_ops.samples.png import thumbnail_uri
from flipad_ops.scanning.decisions.groups import most_telling, said_of
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.decisions.witnesses import spoke
from flipad_ops.scanning.outcome.corroboration import file_says
from flipad_ops.scanning.outcome.exhibit import Exhibit
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import scored_said, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat
from flipad_ops.scanning.report.charts import Series, p_histogram, score_histogram
from flipad_ops.scanning.report.choices import choices, classes
from flipad_ops.scanning.report.headline import counts_of, headline, model_of, rate_said
from flipad_ops.scanning.report.heat import bar_uri, heat_uri
from flipad_ops.scanning.report.remade import SIDE, likeness, nearness, remade

#: Rows of skips and errors listed; the rest is counted.
LISTED = 100
#: Findings named in one file; a page of all of a million would not open.
NAMED = 2000
#: Prefixes shown, the most telling ones.
PREFIXES = 200


def render(outcome: ScanOutcome, pages: Sequence[str] = ()) -> Iterator[str]:
    """The page, piece by piece.

    Parameters
    ----------
    pages : sequence of str
        Names of the files with the findings that are not named here.
    """
    scale, cards = _scale(outcome.exhibits), outcome.cards
    scored, summary = Scored(outcome), summarise(outcome)
    found = outcome.of("leak", "review")
    models = list(dict.fromkeys(model_of(card) for card in cards.values()))
    numbers = {_place(finding): number for number, finding in enumerate(found)}
    sections = [_section(outcome, name, scored.pairs[name]) for name in cards]
    shown = _exhibits(outcome, numbers, scale)
    counts = counts_of(outcome)
    for section in sections:
        name = section["name"]
        section["counts"] = counts[name]
        section["exhibits"] = [e for e in shown if e["finding"].row.attributor == name]
        section["listed"] = listed(
            outcome, [(n, f) for n, f in enumerate(found[:NAMED]) if f.row.attributor == name]
        )
    unit = "row" if all(c.unit == "row" for c in cards.values()) else "image"
    return _environment().get_template("page.html.j2").generate(
        summary=summary,
        headline=headline(summary, models, unit),
        rate_said=rate_said(outcome),
        models=models,
        said=sentences(summary),
        scored_said=scored_said(summary),
        sections=sections,
        exhibits=shown,
        pictured={e["id"] for e in shown},
        choices=choices(found, list(cards), any(e["remade"] or e["likeness"] for e in shown)),
        likenesses=any(e["likeness"] for e in shown),
        reference=None if outcome.reference is None else _pictures(*outcome.reference, scale),
        scale=scale,
        bar=bar_uri(),
        skipped=list(islice(outcome.skipped, LISTED)),
        failed=list(islice(outcome.failed, LISTED)),
        suppressed=list(islice(outcome.suppressed(), LISTED)),
        more_suppressed=max(0, outcome.tally.suppressed - LISTED),
        more_skipped=max(0, len(outcome.skipped) - LISTED),
        more_failed=max(0, len(outcome.failed) - LISTED),
        two_witnesses=any(card.second_witness for card in cards.values()),
        unconfirmed=scored.unconfirmed,
        more_unconfirmed=max(0, scored.alone - LISTED),
        spoke=spoke,
        named=outcome.named[0][:LISTED],
        more_named=max(0, outcome.named[1] - LISTED),
        called=outcome.called[:PREFIXES],
        more_called=max(0, len(outcome.called) - PREFIXES),
        said_of=said_of,
        found=len(found),
        more=max(0, len(found) - NAMED),
        pages=pages,
        several=len(cards) > 1,
        unit=unit,
        command=outcome.command,
        code_version=__version__,
    )  # fmt: skip


def pages(outcome: ScanOutcome, name: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Names and texts of a report's files: the page that is called `name`, and, where it cannot
    name all findings, `stem-2.html` and so on."""
    found = outcome.of("leak", "review")
    path = PurePath(name)
    rest = range(NAMED, len(found), NAMED)
    names = [f"{path.stem}-{number}{path.suffix}" for number in range(2, len(rest) + 2)]
    yield name, render(outcome, names)
    template = _environment().get_template("more.html.j2")
    for further, start in zip(names, rest, strict=True):
        part = list(enumerate(found[start : start + NAMED], start))
        yield further, template.generate(
            first=name, rows=listed(outcome, part), start=start + 1, end=start + len(part),
            found=len(found), started=outcome.started, spoke=spoke,
            targets=[target.uri for target in outcome.request.targets],
            two_witnesses=any(card.second_witness for card in outcome.cards.values()),
        )  # fmt: skip


def write_html(outcome: ScanOutcome, stream: TextIO) -> None:
    """The page alone."""
    stream.writelines(render(outcome))


HTML = OutputFormat(write_html, pictures=True, pages=pages)


def listed(
    outcome: ScanOutcome, numbered: Iterable[tuple[int, Finding]]
) -> list[tuple[Finding, str, str, str, str]]:
    """Findings with their CSS classes, addresses, the ids of their pictures, and what their files
    say."""
    attributors = list(outcome.cards)
    return [
        (
            finding,
            classes(finding, attributors),
            address(finding.row),
            f"f{number}",
            file_says(finding.row, outcome.cards),
        )
        for number, finding in numbered
    ]


def address(row: Row) -> str:
    """Where the object of a row is, as one would type it."""
    if row.key.startswith("s3://"):
        return row.key
    folder, slash, name = row.target.rstrip("/").rpartition("/")
    # A file is its own target: its key, and those of its rows and frames, begin with its name.
    if row.key == name or ("." in name and row.key.startswith(f"{name}/")):
        return f"{folder}{slash}{row.key}"
    return f"{row.target.rstrip('/')}/{row.key}"


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
        "model": model_of(card),
        "scored": len(scores),
        "floor": outcome.floors[name],
        "tests": most_telling(outcome.prefixes[name], PREFIXES),
        "more_tests": max(0, len(outcome.prefixes[name]) - PREFIXES),
        "scores": score_histogram(series, card.threshold),
        "p_values": p_histogram(p),
    }


def _exhibits(
    outcome: ScanOutcome, numbers: Mapping[tuple[str, ...], int], scale: float
) -> list[dict[str, Any]]:
    """What the template shows of each picture, with its places in the orders to choose from."""
    attributors = list(outcome.cards)
    made = list[dict[str, Any]]()
    for exhibit in outcome.exhibits:
        finding = exhibit.finding
        made.append({
            "finding": finding,
            "id": f"f{numbers[_place(finding)]}",
            "certain": numbers[_place(finding)],
            "classes": classes(finding, attributors),
            "address": address(finding.row),
            "says": file_says(finding.row, outcome.cards),
            "remade": remade(exhibit, outcome.cards[finding.row.attributor]),
            "likeness": likeness(exhibit),
            **_pictures(exhibit.pixels, exhibit.residual, scale),
        })  # fmt: skip
    nearest = sorted(made, key=nearness)
    for place, one in enumerate(sorted(made, key=lambda e: str(e["address"]))):
        one["by_address"] = place
    for place, one in enumerate(nearest):
        one["near"] = place
    return made


def _place(finding: Finding) -> tuple[str, ...]:
    return finding.row.target, finding.row.key, finding.row.attributor


def _pictures(pixels: Any, residual: Any, scale: float) -> dict[str, str]:
    heat = "" if residual is None else heat_uri(residual, scale)
    return {"image": thumbnail_uri(pixels, SIDE), "heat": heat}


def _scale(exhibits: list[Exhibit]) -> float:
    """One scale for every map: the 99.5th percentile over all of them."""
    maps = [exhibit.residual.ravel() for exhibit in exhibits if exhibit.residual is not None]
    return float(np.quantile(np.concatenate(maps), 0.995)) or 1.0 if maps else 1.0


@cache
def _environment() -> Environment:
    return environment("flipad_ops.scanning.report", number=_number, counted=counted)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
