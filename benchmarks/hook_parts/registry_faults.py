"""The two faults that need a real MLflow server and its webhook."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from benchmarks.hook_parts.actors import SECRET, Actor
from benchmarks.hook_parts.faults import Scene, wait
from benchmarks.hook_parts.house import MlflowServer
from registry_hooks.install import install


def _version(client: MlflowClient) -> int:
    return int(client.create_model_version("gan", "s3://nowhere/gan").version)


class Registry:
    """A server, a receiver with its reconciler, and a worker with tiny fits."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.server = MlflowServer(folder)
        self.server.up()
        self.client = MlflowClient(self.server.url)
        self.client.create_registered_model("gan")
        self.client.create_registered_model("gan-attributor")
        self.scene = Scene.make(folder / "hooks", registry=self.server.url)
        self.receiver: Actor = self.scene.receiver()
        url = f"http://127.0.0.1:{self.scene.settings.port}/mlflow"
        install(self.client, url, SECRET)
        self.worker = self.scene.worker(seconds=0.05)
        self.count = 0

    def close(self) -> None:
        """Stop everything."""
        self.worker.stop()
        self.receiver.stop()
        self.server.stop()

    def receiver_down(self) -> str:
        """A version is registered while the receiver is down; it comes back."""
        self.receiver.stop()
        version = _version(self.client)
        self.receiver = self.scene.receiver()
        return self._served(version)

    def server_restarted(self) -> str:
        """MLflow is killed and comes back; versions before and after it are served."""
        before = _version(self.client)
        self.server.stop()
        self.server.up()
        after = _version(self.client)
        return self._served(before, after)

    def burst(self) -> str:
        """Fifty versions registered at once."""
        return self._served(*[_version(self.client) for _ in range(50)])

    def _served(self, *versions: int) -> str:
        self.count += len(versions)
        wait(lambda: set(versions) <= {row.version for row in self.scene.rows()})
        return self.scene.settled(self.count)
