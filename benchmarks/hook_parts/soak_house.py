"""One house of the soak: a database, the services on it, a model, a folder and a channel."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from mlflow import MlflowClient

from benchmarks.hook_parts.alerts import Alerts, findings_of
from benchmarks.hook_parts.house import SECRET, Service, fitted_versions
from benchmarks.hook_parts.soak_parts import Folder, Memory, kill, ledger_keys
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.install import EVENTS, NAME
from registry_hooks.scan_jobs import SUCCESS, ScanQueue
from registry_hooks.schema import DONE, RUNNING
from tests.registry_hooks.servers import SETTINGS

SCHEDULE = """
[[schedule]]
name = "uploads"
cron = "* * * * *"
targets = ["{folder}/found"]
models = ["{attributor}"]
state = "{folder}/uploads.db"
options = ["--yearly", "0", "--fdr", "0.2"]
fail_on = "never"
time_limit = 120
keep = 1000
on_finding = ["told"]
on_failure = ["told"]
[[notify]]
name = "told"
kind = "webhook"
url = "{channel}"
secret_env = "FLIPADOPS_WEBHOOK_SECRET"
per_hour = 100000
"""


class House:
    """Services with one database; each has a folder for its configuration and logs.

    Parameters
    ----------
    url : str
        The database; "" for SQLite in `folder`.
    services : int
    attributor : Path
        What scans ask; `Folder` plants samples of its generator.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        client: MlflowClient,
        alerts: Alerts,
        attributor: Path,
        seed: int,
        url: str = "",
        services: int = 1,
    ) -> None:
        self.folder, self.client, self.model, self._alerts = folder, client, model, alerts
        folder.mkdir()
        self.found, self._channel = Folder(folder / "found", seed), f"/{model}"
        schedule = SCHEDULE.format(
            folder=folder, attributor=attributor, channel=f"{alerts.url}/{model}"
        )
        self.services, self._called = list[Service](), set[str]()
        for number in range(services):
            own = folder / str(number)
            own.mkdir()
            hooks = f'include = ["{model}"]\nlease = 10\nretry_after = 2'
            fit = f"[hooks.fit]\nnegatives_models = ['other']\n{SETTINGS}\n{schedule}"
            table = url or f"sqlite:///{folder}/work.db"
            self.services.append(Service(own, client.tracking_uri, hooks, fit, table))
        self.memories = [Memory() for _ in self.services]
        self.registered, self.table = 0, None

    def up(self) -> None:
        """Start the services, and let MLflow tell each of new versions."""
        for number, service in enumerate(self.services):
            service.up("--workers", "1")
            self.client.create_webhook(
                f"{NAME}-{self.model}-{number}",
                url=f"http://127.0.0.1:{service.port}/mlflow",
                events=list(EVENTS),
                secret=SECRET,
            )
        self.table = FitQueue(self.services[0].table)
        self.scans = ScanQueue(self.table.sessions)

    def register(self, staged: int) -> None:
        """One more version, a copy of a staged one."""
        self.registered += 1
        self.client.copy_model_version(f"models:/staged/{staged}", self.model)

    def hit(self, chance: Random, services: bool) -> str:
        """Kill a service, which then starts with an empty disk, or a fit or scan of one."""
        # One service lives on, so that its memory can be watched.
        number = chance.randrange(len(self.services))
        kinds = ["fit", "scan", *(["service"] if services or number else [])]
        service = self.services[number]
        hit = kill(service, chance.choice(kinds))
        if hit == "service":
            self._called |= findings_of(service.folder / "logs")
            shutil.rmtree(service.folder / "logs", ignore_errors=True)
            service.up("--workers", "1")
        return hit

    def sample(self, now: float) -> None:
        """Note the services' memory."""
        for memory, service in zip(self.memories, self.services, strict=True):
            memory.sample(service, now)

    def settled(self) -> bool:
        """Whether every version is done, every image seen and every finding told."""
        assert self.table is not None
        done = sum(row.state == DONE for row in self.table.rows()) == self.registered
        seen = set(ledger_keys(self.folder / "uploads.db")) >= self.found.names
        return done and seen and not (self._to_tell() - self._alerts.told(self._channel).keys())

    def stop(self) -> None:
        """End the services."""
        for service in self.services:
            service.stop(signal.SIGTERM)

    def report(self) -> dict[str, Any]:
        """What was lost and repeated here."""
        assert self.table is not None
        rows, scans = self.table.rows(), self.scans.newest(limit=10_000)
        fitted = fitted_versions(self.client, self.model)
        fits = [fitted.get(str(number + 1), 0) for number in range(self.registered)]
        keys = ledger_keys(self.folder / "uploads.db")
        told, wanted = self._alerts.told(self._channel), self._to_tell()
        self.table.close()
        return {
            "lost": len(self.found.names - set(keys)) + sum(count == 0 for count in fits),
            "repeated": sum(count > 1 for count in [*fits, *keys.values()]),
            "alerts_lost": len(wanted - told.keys()),
            "alerts_repeated": sum(count - 1 for count in told.values()),
            "alerts_of_nothing": len(told.keys() - wanted),
            "findings": len(self._called), "own_images": self.found.planted,
            "failed_scans_told": len(wanted) - len(self._called),
            "services": len(self.services), "objects": len(self.found.names),
            "versions": self.registered,
            "states": dict(Counter(row.state for row in rows)),
            "attempts": dict(Counter(str(row.attempts) for row in rows)),
            "scans": dict(Counter(f"{scan.state}, exit {scan.exit_code}" for scan in scans)),
            "memory_mb": self.memories[0].described(),
        }  # fmt: skip

    def _to_tell(self) -> set[str]:
        """Findings in records, and scans that ended badly, as the table has them."""
        for service in self.services:
            self._called |= findings_of(service.folder / "logs")
        failed = {
            f"failed at {scan.started}"
            for scan in self.scans.newest(limit=10_000)
            if scan.state != RUNNING and scan.exit_code not in SUCCESS
        }
        return self._called | failed
