"""Hooks and a scan every minute for twenty minutes, with `kill -9` at random moments.

    python -m benchmarks.hook_soak [--minutes 20] [--seed 0]

A real MLflow server, its webhook, `flipadops hooks up` with one worker and a schedule, real fits
of small generators, real scans with a ledger of a folder that fills up. Killed are the service, its
fits and its scans. Writes benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from mlflow import MlflowClient

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.hook_parts.house import (
    SECRET,
    MlflowServer,
    Service,
    fitted_versions,
    machine,
    running,
    stage,
)
from benchmarks.hook_parts.soak_parts import (
    Folder,
    Memory,
    finished_scans,
    kill,
    ledger_keys,
)
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.install import install
from registry_hooks.schema import DONE
from tests.registry_hooks.servers import SETTINGS

#: Seconds between new images, new versions and kills (mean).
IMAGES, VERSIONS, KILLS = 20.0, 120.0, 45.0
SCHEDULE = """
[[schedule]]
name = "uploads"
cron = "* * * * *"
targets = ["{folder}/found"]
models = ["gan"]
state = "{folder}/uploads.db"
fail_on = "never"
time_limit = 120
"""


def soak(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Run it; what was lost, repeated and killed."""
    chance = Random(seed)
    with running(MlflowServer(folder)) as server:
        client = MlflowClient(server.url)
        versions = max(2, round(minutes * 60 / VERSIONS))
        stage(server.url, versions)
        service = Service(
            folder,
            server.url,
            'include = ["gan"]\nlease = 10\nretry_after = 2',
            f"[hooks.fit]\nnegatives_models = ['other']\n{SETTINGS}\n"
            + SCHEDULE.format(folder=folder),
        )
        found, memory = Folder(folder / "found", seed), Memory()
        found.add(40)
        service.up("--workers", "1")
        table = FitQueue(service.table)
        try:
            install(client, f"http://127.0.0.1:{service.port}/mlflow", SECRET)
            killed: Counter[str] = Counter()
            begin = time.monotonic()
            end, half = begin + 60 * minutes, begin + 30 * minutes
            due = {"images": begin, "version": begin, "kill": begin + KILLS}
            registered = 0
            while (now := time.monotonic()) < end:
                if now >= due["images"]:
                    found.add(5)
                    due["images"] += IMAGES
                if now >= due["version"] and registered < versions:
                    registered += 1
                    client.copy_model_version(f"models:/staged/{registered}", "gan")
                    due["version"] += VERSIONS
                if now >= due["kill"]:
                    # In the second half the service lives on, so that its memory can be watched.
                    kinds = ["fit", "scan"] if now > half else ["service", "fit", "scan"]
                    hit = kill(service, chance.choice(kinds))
                    if hit == "service":
                        service.up("--workers", "1")
                    if hit:
                        killed[hit] += 1
                        due["kill"] = now + chance.expovariate(1 / KILLS)
                memory.sample(service, now)
                time.sleep(0.5)
            settled = _settle(table, service, registered, folder, found)
            rows = table.rows()
        finally:
            table.close()
            service.stop()
        fitted = fitted_versions(client)
    keys = ledger_keys(folder / "uploads.db")
    lost_objects = sorted(found.names - set(keys))
    fits = {version: fitted.get(version, 0) for version in map(str, range(1, registered + 1))}
    return {
        "summary": {
            "lost": len(lost_objects) + sum(count == 0 for count in fits.values()),
            "repeated": sum(count > 1 for count in [*fits.values(), *keys.values()]),
            "memory_growth": memory.growth(),
        },
        "machine": machine(), "minutes": minutes, "seed": seed, "killed": dict(killed),
        "settled": settled, "objects": len(found.names), "versions": registered,
        "states": dict(Counter(row.state for row in rows)),
        "attempts": dict(Counter(str(row.attempts) for row in rows)),
        "scans": finished_scans(service.table),
        "memory_mb": memory.described(),
        "command": "python -m benchmarks.hook_soak",
    }  # fmt: skip


def _settle(table: FitQueue, service: Service, versions: int, folder: Path, found: Folder) -> bool:
    """Wait until every version is done and a scan has seen every image; whether that came."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        done = sum(row.state == DONE for row in table.rows()) == versions
        if done and set(ledger_keys(folder / "uploads.db")) >= found.names:
            return True
        time.sleep(2)
    return False


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
