"""The fault table of the hooks: each fault at least 20 times, with real processes and databases.

    nice python -m benchmarks.hook_faults [--tries 20] [--only NAME ...]

Receivers, workers, PostgreSQL and MLflow servers are real and are killed for real. The fit is a
process that notes its beginning and end and writes 128 KiB: what is tried is that no work is lost
and none runs twice to its end, not the fit. Rows of earlier runs stay in the results.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.frame import pages
from benchmarks.frame.results import RESULTS, write_json
from benchmarks.hook_parts import faults
from benchmarks.hook_parts.cluster import Cluster
from benchmarks.hook_parts.house import machine
from benchmarks.hook_parts.registry_faults import Registry

ODD = ("duplicate", "reordered", "replayed", "forged", "truncated", "100 MB")
NAMES = {
    "kill": "worker `kill -9` mid-fit",
    "race": "two workers racing for six versions",
    "locked": "SQLite locked by another program",
    "restarted": "PostgreSQL stopped at once and started again",
    "full": "disk full on artifact write",
    "deliveries": "",
    "receiver": "receiver down during registration (MLflow server, webhook)",
    "mlflow": "MLflow server killed and restarted",
    "burst": "50 versions registered in a burst (one try)",
}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 256 KiB; needs root."""
    path = folder / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def tries(fault: Callable[[int], str], count: int) -> list[str]:
    """What each try gave; an exception is a failure in its own words."""
    found = []
    for number in range(count):
        try:
            found.append(fault(number))
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def run(name: str, folder: Path, count: int) -> dict[str, list[str]]:
    """Outcomes by the fault's words."""
    words = NAMES[name]
    simple = {
        "kill": faults.killed_mid_fit,
        "race": faults.two_racing,
        "locked": faults.database_locked,
    }
    if name in simple:
        return {words: tries(lambda n: simple[name](folder / str(n)), count)}
    if name == "restarted":
        cluster = Cluster()
        try:
            again = faults.database_restarted
            return {words: tries(lambda n: again(folder / str(n), cluster), count)}
        finally:
            cluster.remove()
    if name == "full":
        with small_disk(folder) as small:
            return {words: tries(lambda n: faults.disk_full(folder / str(n), small), count)}
    if name == "deliveries":
        return deliveries(folder, count)
    registry = Registry(folder / "registry")
    try:
        fault = {
            "receiver": registry.receiver_down,
            "mlflow": registry.server_restarted,
            "burst": registry.burst,
        }[name]
        return {words: tries(lambda _: fault(), 1 if name == "burst" else count)}
    finally:
        registry.close()


def deliveries(folder: Path, count: int) -> dict[str, list[str]]:
    """Every kind of delivery against one receiver."""
    scene = faults.Scene.make(folder / "scene")
    actor = scene.receiver()
    found: dict[str, list[str]] = {f"{kind} delivery": [] for kind in ODD}
    try:
        for number in range(count):
            for kind, wrong in faults.odd_deliveries(scene, number).items():
                found[f"{kind} delivery"].append(wrong)
    finally:
        actor.stop()
    return found


def write(outcomes: dict[str, list[str]], seconds: float) -> None:
    """Add rows to both result files."""
    path = RESULTS / "hook_faults.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = json.loads(path.read_text())["faults"] if path.exists() else {}
        for words, found in outcomes.items():
            wrong = Counter(text for text in found if text)
            rows[words] = {"tries": len(found), "as_it_should_be": found.count("")}
            rows[words] |= {"wrong": dict(wrong)} if wrong else {}
            print(f"{words}: {found.count('')} of {len(found)} in {seconds:.0f} s {dict(wrong)}")
        rows = dict(sorted(rows.items()))
        write_json(path, {"machine": machine(), "faults": rows}, indent=2)
        lines = ["# Faults of the hooks", "", __doc__.split("\n\n")[-1].strip(), ""]
        lines += pages.table(
            ("fault", "tries", "nothing lost, nothing twice, nothing forged"),
            ((words, row["tries"], row["as_it_should_be"]) for words, row in rows.items()),
        )
        path.with_suffix(".md").write_text(pages.text(lines))
    path.with_suffix(".lock").unlink(missing_ok=True)


def main() -> None:
    """Run the faults that were asked for, all by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=list(NAMES), default=list(NAMES))
    options = parser.parse_args()
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            outcomes = run(name, Path(folder), options.tries)
            write(outcomes, time.monotonic() - began)


if __name__ == "__main__":
    main()
