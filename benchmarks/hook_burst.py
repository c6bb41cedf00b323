"""Fifty versions of a generator registered at once, fitted for real and unattended.

    nice python -m benchmarks.hook_burst [--versions 50] [--workers 2]

A real MLflow server, its webhook, `flipadops hooks up` and real fits of small pt2 DCGANs (16x16);
each version has weights of its own. Writes benchmarks/results/hook_burst.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
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
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.install import install
from registry_hooks.schema import DONE, FAILED
from tests.registry_hooks.servers import SETTINGS


def burst(folder: Path, versions: int, workers: int, patience: float) -> dict[str, Any]:
    """Register, wait until every version is done or failed, and count attributors."""
    with running(MlflowServer(folder)) as server:
        client = MlflowClient(server.url)
        stage(server.url, versions)
        service = Service(
            folder,
            server.url,
            'include = ["gan"]',
            f"[hooks.fit]\nnegatives_models = ['other']\n{SETTINGS}",
        )
        service.up("--workers", str(workers))
        try:
            install(client, f"http://127.0.0.1:{service.port}/mlflow", SECRET)
            begin = time.monotonic()
            for version in range(1, versions + 1):
                client.copy_model_version(f"models:/staged/{version}", "gan")
            registered = time.monotonic() - begin
            table = FitQueue(service.table)
            while time.monotonic() - begin < patience:
                rows = table.rows()
                if sum(row.state in (DONE, FAILED) for row in rows) == versions:
                    break
                time.sleep(1)
            seconds = time.monotonic() - begin
            rows = table.rows()
            table.close()
        finally:
            service.stop()
        fitted = fitted_versions(client)
    return {
        "machine": machine(), "versions": versions, "workers": workers,
        "registered_in_s": round(registered, 1), "all_ended_in_s": round(seconds, 1),
        "states": dict(Counter(row.state for row in rows)),
        "reasons": dict(Counter(str(row.reason) for row in rows if row.state == FAILED)),
        "attributor_versions": sum(fitted.values()),
        "generator_versions_with_one": sum(count == 1 for count in fitted.values()),
        "fitted_twice": sum(count > 1 for count in fitted.values()),
        "most_attempts": max(row.attempts for row in rows),
    }  # fmt: skip


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--patience", type=float, default=1800.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = burst(Path(folder), options.versions, options.workers, options.patience)
    print(write_json(RESULTS / "hook_burst.json", report, indent=2))


if __name__ == "__main__":
    main()
