"""Hooks, scans every minute and alerts for twenty minutes, with `kill -9` at random moments.

    python -m benchmarks.hook_soak [--minutes 20] [--seed 0]

A real MLflow server with webhooks; two services of `flipadops hooks up` on one PostgreSQL and one
on SQLite, with one worker and one schedule each; real fits of small generators; real scans with a
ledger of folders that fill up, one image in five of the scanned generator; a channel that refuses
one message in ten. Killed are services, which start again with an empty disk, fits and scans.
Writes benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from mlflow import MlflowClient

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.hook_parts.alerts import receiving
from benchmarks.hook_parts.cluster import Cluster
from benchmarks.hook_parts.house import MlflowServer, machine, running, stage
from benchmarks.hook_parts.soak_house import House
from benchmarks.hook_parts.soak_parts import attributor

#: Seconds between new images and new versions, and between kills (mean).
IMAGES, VERSIONS, KILLS = 20.0, 120.0, 30.0
#: Seconds that all may take to come to rest at the end.
REST = 900.0


def soak(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Run it; what was lost, repeated and killed."""
    attributor(folder / "toy")
    versions = max(2, round(minutes * 60 / VERSIONS))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(MlflowServer(folder)))
        alerts = stack.enter_context(receiving(seed))
        cluster = Cluster()
        stack.callback(cluster.remove)
        client = MlflowClient(server.url)
        stage(server.url, 2 * versions, ("gan", "fan"))
        common = (client, alerts, folder / "toy")
        houses = {
            "postgresql": House(folder / "gan", "gan", *common, seed, cluster.url, services=2),
            "sqlite": House(folder / "fan", "fan", *common, seed + 1),
        }
        for house in houses.values():
            stack.callback(house.stop)
            house.found.add(40)
            house.up()
        killed = _events(list(houses.values()), minutes, versions, Random(seed))
        end = time.monotonic() + REST
        settled = False
        while time.monotonic() < end and not settled:
            settled = all(house.settled() for house in houses.values())
            time.sleep(2)
        # A message too many would come now.
        time.sleep(10)
        for house in houses.values():
            house.stop()
        reports = {name: house.report() for name, house in houses.items()}
        growth = max(memory.growth() for house in houses.values() for memory in house.memories[:1])
    counts = ("lost", "repeated", "alerts_lost", "alerts_repeated", "findings")
    return {
        "summary": {
            **{name: sum(report[name] for report in reports.values()) for name in counts},
            "kills": sum(killed.values()),
            "memory_growth": growth,
        },
        "machine": machine(), "load_average_1min_at_end": round(os.getloadavg()[0], 1),
        "minutes": minutes, "seed": seed, "killed": dict(killed), "settled": settled,
        "messages_refused": alerts.refused, "messages_again_under_one_id": alerts.sent_again(),
        "findings_only_counted": alerts.unnamed, **reports,
        "command": "python -m benchmarks.hook_soak",
    }  # fmt: skip


def _events(houses: list[House], minutes: float, versions: int, chance: Random) -> Counter[str]:
    """Images, versions and kills as they fall due; what was killed."""
    killed: Counter[str] = Counter()
    begin = time.monotonic()
    end, half = begin + 60 * minutes, begin + 30 * minutes
    images, version, kills = begin, begin, begin + KILLS
    staged = 0
    while (now := time.monotonic()) < end:
        if now >= images:
            images += IMAGES
            for house in houses:
                house.found.add(5)
        if now >= version and staged < versions * len(houses):
            version += VERSIONS
            for house in houses:
                staged += 1
                house.register(staged)
        if now >= kills and (hit := chance.choice(houses).hit(chance, services=now < half)):
            killed[hit] += 1
            kills = now + chance.expovariate(1 / KILLS)
        for house in houses:
            house.sample(now)
        time.sleep(0.5)
    return killed


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "soak.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), options.minutes, options.seed)
    print(write_json(options.out, report, indent=2))


if __name__ == "__main__":
    main()
