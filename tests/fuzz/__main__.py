"""`python -m tests.fuzz --seconds 45 [--target T]`: atheris where it is installed, else hypothesis.

Every target runs in a process of its own. An error that is not expected is counted once for each
place that raises it and its input is kept in `--keep`; exit code 1 then, or when a process dies.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any

try:
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    atheris = None
#: What is watched for coverage; all of torch would take minutes to begin.
WATCHED = ["flipad_ops.samples", "flipad_ops.scanning", "flipad_ops.storage",
           "flipad_ops.attribution.serialisation", "flipad_ops.common.untrusted_json",
           "registry_hooks", "yaml", "tomllib", "csv", "json", "PIL"]  # fmt: skip
with atheris.instrument_imports(include=WATCHED) if atheris else nullcontext():
    from flipad_ops.common.errors import FlipadError
    from tests.fuzz.mutation import EDITS, edited, random_edit
    from tests.fuzz.seeds import SEEDS
    from tests.fuzz.targets import EXPECTED, TARGETS


class Fuzzed:
    """A target that counts, keeps what it finds, and ends the process when its time is over."""

    def __init__(self, name: str, seconds: float, keep: Path, folder: Path) -> None:
        self.name, self.keep, self.folder = name, keep, folder
        self.expected = (FlipadError, EXPECTED.get(name, FlipadError))
        self.runs, self.accepted, self.found = 0, 0, set[str]()
        self.end = time.monotonic() + seconds

    def __call__(self, data: bytes) -> None:
        """One execution."""
        self.runs += 1
        (self.keep / f"{self.name}.last").write_bytes(data)  # what a dead process leaves
        try:
            TARGETS[self.name](data, self.folder)
            self.accepted += 1
        except self.expected:
            pass
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            ours = [
                f for f in traceback.extract_tb(error.__traceback__) if "fuzz" not in f.filename
            ]
            place = ours[0] if ours else frame
            where = f"{type(error).__name__} by {Path(place.filename).name}:{place.lineno}"
            if where not in self.found:
                self.found.add(where)
                name = f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}"
                (self.keep / name).write_bytes(data)
                print(f"{self.name}: {where}: {str(error)[:200]} ({name})", flush=True)
        if time.monotonic() > self.end:
            print(
                f"{self.name}: {self.runs} executions, {self.accepted} accepted, "
                f"{len(self.found)} findings",
                flush=True,
            )
            os._exit(1 if self.found else 0)


def by_atheris(target: Fuzzed, seeds: list[bytes]) -> None:
    """Guided by the coverage of what was imported under instrumentation."""
    corpus = target.folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        source = random.Random(seed)
        if source.random() < 0.5:
            return bytes(atheris.Mutate(data, longest))
        return edited(data or seeds[0], [random_edit(source)])[:longest]

    longest = 2 * max(map(len, seeds)) + 10_000
    words = [sys.argv[0], str(corpus), f"-max_len={longest}", "-rss_limit_mb=4096", "-verbosity=0"]
    atheris.Setup(words, target, custom_mutator=mutate)
    atheris.Fuzz()


def by_hypothesis(target: Fuzzed, seeds: list[bytes]) -> None:
    """Random edits of the seeds."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    @settings(
        max_examples=10**9, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(range(len(seeds))), EDITS)
    def go(number: int, edits: Any) -> None:
        target(edited(seeds[number], edits))

    go()


def one(name: str, seconds: float, keep: Path) -> None:
    """Fuzz one target in this process; does not return."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        seeds = SEEDS[name](folder)
        target = Fuzzed(name, seconds, keep, folder)
        for seed in seeds:
            target(seed)
        (by_atheris if atheris else by_hypothesis)(target, seeds)


def main() -> int:
    """Every target, or one; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="for each target")
    parser.add_argument("--target", choices=sorted(TARGETS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.target:
        one(options.target, options.seconds, options.keep)
    bad = 0
    for name in TARGETS:
        words = ["--seconds", str(options.seconds), "--target", name, "--keep", str(options.keep)]
        code = subprocess.run([sys.executable, "-m", "tests.fuzz", *words], check=False).returncode
        if code not in (0, 1):
            print(f"{name}: the process died ({code}); its input is {name}.last", flush=True)
        bad += code != 0
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
