"""From registering to attributor with a real MLflow server, service, webhook and fits."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.hooks import hooks
from flipad_ops.registry import tags
from flipad_ops.registry.generators import register_generator
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.schema import DONE, FAILED, RUNNING, Fit
from tests.registry.tiny import tiny_generator
from tests.registry_hooks.servers import SECRET, Hooks, mlflow_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class House:
    """A server with a generator to sample foreign images from, and the hooks beside it."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.registry, self.hooks = registry, Hooks(folder, registry)
        self.client = MlflowClient(registry)
        self.table = FitQueue(f"sqlite:///{folder}/work.db")

    def register(self, name: str, seed: int) -> None:
        register_generator(name, *tiny_generator(seed=seed), tracking_uri=self.registry)

    def wait(self, version: int, *states: str) -> Fit:
        while True:
            for row in self.table.rows():
                if row.version == version and row.state in states:
                    return row
            assert self.hooks.process is not None
            assert self.hooks.process.poll() is None, self.hooks.log()
            time.sleep(0.05)

    def check_attributor(self, version: int) -> None:
        row = self.wait(version, DONE, FAILED)
        assert row.state == DONE, (row.reason, Path(str(row.log)).read_text())
        alias = self.client.get_model_version_by_alias("gan-attributor", f"generator-v{version}")
        assert row.attributor == f"gan-attributor/{alias.version}"


@pytest.fixture(scope="module")
def house(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(empty_database, folder / "mlflow.db")
    with mlflow_server(folder / "mlflow.db", folder) as registry:
        house = House(folder, registry)
        try:
            yield house
        finally:
            if house.hooks.process is not None:
                house.hooks.stop(signal.SIGKILL)
            house.table.close()


def test_no_version_goes_without_through_kills_and_downtime(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIPADOPS_WEBHOOK_SECRET", SECRET)
    monkeypatch.chdir(house.hooks.folder)
    house.register("other", seed=2)
    house.hooks.up()
    installed = CliRunner().invoke(hooks, ["install", house.hooks.url])
    assert "accepted a test event" in installed.stdout
    # The webhook brings the first version, and its fit is cut off.
    house.register("gan", seed=1)
    house.wait(1, RUNNING)
    while 'flipad_deliveries_total{outcome="queued"} 1' not in house.hooks.metrics():
        time.sleep(0.1)
    house.hooks.stop(signal.SIGKILL)
    # Nobody hears of the second.
    house.register("gan", seed=3)
    house.hooks.up()
    for version, attempts in ((1, 2), (2, 1)):
        house.check_attributor(version)
        assert house.wait(version, DONE).attempts == attempts
        query = f"name = 'gan-attributor' AND tags.`{tags.GENERATOR_VERSION}` = '{version}'"
        assert len(house.client.search_model_versions(query)) == 1
    status = CliRunner().invoke(hooks, ["status"]).stdout
    assert "0 queued, 0 running, 2 done, 0 failed, 0 skipped" in status
    assert house.hooks.stop() == 0
    assert SECRET not in house.hooks.log()
