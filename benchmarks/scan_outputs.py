"""How the time of outputs grows with attributors, and what the ledger's index saves.

    nice python -m benchmarks.scan_outputs [--images 20000] [--rows 400000]

One scan's rows in a ledger for 1 and for 10 attributors; every format is written from it, five
times, side by side. Ten attributors have ten times the findings: a ratio of 10 is linear.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from benchmarks.frame.results import RESULTS, machine, write_json
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs import output_format
from flipad_ops.scanning.pipeline.run import conclude
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from tests.scanning.fakes import DarkIsOurs

FORMATS = ("junit", "html", "sarif", "table", "csv", "jsonl")
#: One image in so many is attributed.
OWN = 50


def filled(ledger: SqliteLedger, names: list[str], images: int) -> None:
    """Rows of one run."""
    ledger.begin({"models": dict.fromkeys(names, "x")})
    for n in range(images):
        sha256, own = hashlib.sha256(b"%d" % n).hexdigest(), n % OWN == 0
        for name in names:
            row = Row(
                f"folder-{n % 20}/{n:07d}.png", "s3://b/x", 1000, "scored", name, sha256=sha256,
                etag=f'"{sha256[:32]}"', score=0.1 if own else 0.5 + n % 7 / 20,
                p=0.001 if own else 0.3 + n % 7 / 20, attributed=own, converged=True,
            )  # fmt: skip
            ledger.add(row, n)
    ledger.settle()


class Bucket:
    """What a scan listed."""

    uri = "s3://b/x"

    def address(self, key: str) -> str:
        """In the bucket."""
        return f"s3://b/x/{key}"


def outcome_of(ledger: SqliteLedger, count: int, images: int) -> ScanOutcome:
    """A scan of `images` by `count` attributors."""
    scorers = [DarkIsOurs(name=f"n{n}") for n in range(count)]
    filled(ledger, [f"{scorer.name}/1" for scorer in scorers], images)
    outcome = conclude(ScanPlan([Bucket()]), scorers, ledger)  # type: ignore[list-item]
    outcome.started = "2026-01-01T00:00:00+00:00"
    return outcome


def seconds_of(work: Callable[[], Any], times: int = 5) -> float:
    """The shortest of several: what else the machine does only adds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return round(min(took), 4)


def writing(images: int) -> dict[str, dict[str, float]]:
    """Seconds by format and number of attributors."""
    found: dict[str, dict[str, float]] = {name: {} for name in FORMATS}
    for count in (1, 10):
        with closing(SqliteLedger()) as ledger:
            outcome = outcome_of(ledger, count, images)
            for name in FORMATS:
                form = output_format(name)

                def write(form: Any = form, outcome: ScanOutcome = outcome) -> None:
                    for counted in ("tally", "_sorted", "clear"):
                        outcome.__dict__.pop(counted, None)
                    form.write(outcome, io.StringIO())

                found[name][str(count)] = seconds_of(write)
    return found


def suspects(rows: int) -> dict[str, float]:
    """Seconds of a pass over the suspects of one attributor, with the index and without."""
    with closing(SqliteLedger()) as ledger:
        filled(ledger, ["a/1"], rows)

        def read() -> int:
            return sum(1 for _ in ledger.rows("scored", "a/1", suspects=True))

        with_index = seconds_of(read)
        ledger._db.executescript("DROP INDEX listed; DROP INDEX suspects;")
        return {"with": with_index, "without": seconds_of(read)}


def main() -> None:
    """Run it and write results/scan_outputs.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    times, index = writing(options.images), suspects(options.rows)
    result = {
        "summary": {
            "junit_ratio_10_to_1": round(times["junit"]["10"] / times["junit"]["1"], 2),
            "html_ratio_10_to_1": round(times["html"]["10"] / times["html"]["1"], 2),
            "suspects_pass_s_ratio": round(index["with"] / index["without"], 3),
        },
        "machine": machine(),
        "images": options.images,
        "rows": options.rows,
        "seconds_by_attributors": times,
        "suspects_pass_s": index,
    }
    print(write_json(RESULTS / "scan_outputs.json", result, indent=2))


if __name__ == "__main__":
    main()
