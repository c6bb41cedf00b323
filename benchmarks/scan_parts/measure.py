"""One measurement in a process of its own; prints a line of JSON.

python -m benchmarks.scan_parts.measure stages|scan --target URI --attributor FOLDER ...
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.scan_parts import stages
from benchmarks.scan_parts.content import LEAKS, MIXED
from flipad_ops.attribution.scorer import Scorer
from flipad_ops.registry.scorers import LoadedScorer, from_folder
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import Content, Item, S3Target
from flipad_ops.storage.selection import Selection


class Watched(S3Target):
    """Remembers what was read."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.fetched: list[str] = []

    def read(self, item: Item, max_bytes: int) -> Content:
        """As ever."""
        self.fetched.append(item.key)
        return super().read(item, max_bytes)


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["stages", "scan"])
    parser.add_argument("--target", required=True)
    parser.add_argument("--attributor", type=Path, required=True)
    parser.add_argument("--objects", type=int, help="all unless given")
    parser.add_argument("--turn", type=int, default=0, help="which stage begins")
    parser.add_argument("--attributors", type=int, default=1)
    parser.add_argument("--no-screen", action="store_true", help="invert every image")
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args()
    scorers = [
        load(arguments.attributor, str(number), arguments.no_screen)
        for number in range(1, arguments.attributors + 1)
    ]
    # Importing peaks higher than scanning: forget that peak, measure from here.
    Path("/proc/self/clear_refs").write_text("5")
    if arguments.what == "scan":
        facts = scan(arguments.target, scorers, arguments.objects, arguments.state)
    else:
        facts = in_turn(arguments, scorers[0])
    facts["peak_mb"] = _status("VmHWM")
    facts["load"] = os.getloadavg()[0]
    print(json.dumps(facts))


def load(folder: Path, version: str, no_screen: bool) -> LoadedScorer:
    """The attributor under a version of its own, so that one can be asked several times."""
    scorer = from_folder(folder, "cpu")
    scorer.version = version
    scorer.card = replace(scorer.card, attributor_version=version)
    if no_screen:
        scorer.attributor.detector.cutoff.fill_(torch.inf)
    return scorer


def in_turn(arguments: argparse.Namespace, scorer: Scorer) -> dict[str, Any]:
    """Each stage alone and the whole scan over the same objects, one after the other."""
    target = S3Target(arguments.target)
    kit = stages.Kit(target, scorer, arguments.objects)
    count = len(kit.items)
    weightless = stages.Weightless(scorer)
    runs: dict[str, Callable[[], float]] = {
        "list": kit.list,
        "fetch": kit.fetch,
        "scan": lambda: scan(arguments.target, [scorer], count)["seconds"],
        "decode": kit.decode,
        "score": kit.score,
        "scan_weightless": lambda: scan(arguments.target, [weightless], count)["seconds"],
        "fetch_boto3": kit.fetch_boto3,
    }
    names = list(runs)
    turn = arguments.turn % len(names)
    facts: dict[str, Any] = {"objects": count}
    for name in names[turn:] + names[:turn]:
        cpu, thread = _cpu(), time.thread_time()
        seconds = runs[name]()
        facts[name] = {
            "rate": count / seconds,
            "cpu_ms": (_cpu() - cpu) / count * 1e3,
            "thread_cpu_ms": (time.thread_time() - thread) / count * 1e3,
        }
    return facts


def scan(
    uri: str, scorers: list[Scorer], objects: int | None, state: Path | None = None
) -> dict[str, Any]:
    """A whole scan, and what it found."""
    target = Watched(uri)
    request = ScanPlan([target], batch_size=stages.BATCH, selection=Selection(limit=objects))
    ledger = SqliteLedger(state) if state else None
    cpu, begun = _cpu(), time.perf_counter()
    outcome = run_scan(request, scorers, ledger=ledger)
    seconds = time.perf_counter() - begun
    counts = outcome.tally.verdicts
    return {
        "seconds": seconds,
        "cpu_seconds": _cpu() - cpu,
        "objects": len(outcome.findings) // len(scorers),
        "rate": len(outcome.findings) / len(scorers) / seconds,
        "complete": outcome.complete,
        "reused": outcome.reused,
        "screened": outcome.screened,
        "fetched": len(target.fetched),
        "fetched_keys": sorted(target.fetched) if len(target.fetched) < 20 else [],
        "verdicts": dict(counts),
        **found(outcome),
    }


def found(outcome: ScanOutcome) -> dict[str, Any]:
    """How the first attributor did on the planted leaks, and on all else."""
    name = next(iter(outcome.cards))
    flagged = [f for f in outcome.flagged if f.row.attributor == name]
    planted = [f for f in flagged if f.row.key.startswith(f"{MIXED}/leak")]
    called = [f for f in flagged if f.verdict == "leak"]
    prefixes = {t.prefix: t for t in outcome.prefixes[name] if t.called}
    return {
        "planted_attributed": len(planted),
        "planted_significant_alone": sum(f.verdict == "leak" for f in planted),
        "planted_significant": LEAKS if MIXED in prefixes else sum(f in called for f in planted),
        "others_attributed": len(flagged) - len(planted),
        "images_called_leak": len(called),
        "others_called_leak": sum(f not in planted for f in called),
        "prefixes": len(outcome.prefixes[name]),
        "prefixes_called": len(prefixes),
        "other_prefixes_called": len(prefixes) - (MIXED in prefixes),
        "q_of_planted_prefix": prefixes[MIXED].q if MIXED in prefixes else None,
    }


def _cpu() -> float:
    """CPU seconds of this process and of the decoders that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def _status(name: str) -> float:
    """A line of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
