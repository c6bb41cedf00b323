"""The faults of `hook_faults`, one function each: a try returns "" or what went wrong."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hook_parts.actors import SECRET, Actor, beginnings, endings, receiver, worker
from benchmarks.hook_parts.cluster import Cluster
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.schema import DONE, Fit
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, sign
from tests.registry_hooks.servers import free_port, get

#: No registry: its reconciler would call the made-up versions deleted.
NOWHERE = "http://127.0.0.1:9"
PATIENCE = 120.0


@dataclass
class Scene:
    """One try: a folder, its settings and a look at the table."""

    folder: Path
    settings: HookSettings

    @classmethod
    def make(cls, folder: Path, table: str = "", registry: str = NOWHERE) -> Scene:
        """With a lease of two seconds and quick retries."""
        folder.mkdir(parents=True)
        settings = HookSettings(
            registry=registry,
            table=table or f"sqlite:///{folder}/work.db",
            include=("gan*",),
            lease=2.0,
            poll=0.1,
            retry_after=0.3,
            reconcile_every=3600.0,
            logs=str(folder / "logs"),
            port=free_port(),
        )
        return cls(folder, settings)

    @property
    def notes(self) -> Path:
        """Where the tiny fits say that they began and ended."""
        return self.folder / "notes"

    def worker(self, seconds: float = 0.1, artifacts: Path | None = None) -> Actor:
        """A worker process."""
        registry = "" if self.settings.registry == NOWHERE else self.settings.registry
        folder = artifacts or self.folder
        return Actor(worker, self.settings, self.notes, seconds, folder, registry)

    def receiver(self) -> Actor:
        """A receiver process that answers."""
        actor = Actor(receiver, self.settings)
        wait(lambda: get(f"http://127.0.0.1:{self.settings.port}/healthz") == "ok\n")
        return actor

    def rows(self) -> list[Fit]:
        """The whole table."""
        table = FitQueue(self.settings.table)
        try:
            return table.rows()
        finally:
            table.close()

    def enqueue(self, *versions: int) -> None:
        """Queue versions of one model."""
        table = FitQueue(self.settings.table)
        table.enqueue([("gan", version) for version in versions], self.settings.config_sha256())
        table.close()

    def settled(self, versions: int) -> str:
        """Wait until that many are done; what is wrong with the outcome, "" if nothing is."""
        wait(lambda: [row.state for row in self.rows()] == [DONE] * versions)
        ends = endings(self.notes)
        if len(ends) != versions:
            return f"{len(ends)} of {versions} ran to the end"
        return "" if set(ends.values()) == {1} else f"run to the end more than once: {ends}"

    def post(self, delivery: str, version: int = 1, **odd: object) -> int | None:
        """Deliver as MLflow does; the answer, None without one."""
        body = json.dumps(
            {
                "entity": "model_version",
                "action": "created",
                "data": {"name": "gan", "version": str(version)},
            }
        ).encode()
        stamp = str(int(time.time()) - int(str(odd.get("age", 0))))
        secret = str(odd.get("secret", SECRET))
        signature = sign(secret, delivery, stamp, body)
        headers = {ID: delivery, TIMESTAMP: stamp, SIGNATURE: signature}
        if "altered" in odd:
            body = body.replace(b'"gan"', b'"gax"')
        try:
            return self.raw(body, headers)
        except (OSError, http.client.HTTPException):
            return None

    def raw(self, body: bytes, headers: dict[str, str]) -> int:
        """One POST with just these."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=60)
        try:
            connection.request("POST", "/mlflow", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


def wait(reached: Callable[[], bool]) -> None:
    """Poll; a TimeoutError when it never happens."""
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(0.05)


def killed_mid_fit(folder: Path) -> str:
    """`kill -9` of the worker while its fit runs; another worker comes."""
    scene = Scene.make(folder)
    scene.enqueue(1)
    first = scene.worker(seconds=1.0)
    wait(lambda: beginnings(scene.notes) == 1)
    first.stop(signal.SIGKILL)
    second = scene.worker(seconds=0.1)
    try:
        return scene.settled(1)
    finally:
        second.stop()


def two_racing(folder: Path) -> str:
    """Two workers, six versions, the same moment."""
    scene = Scene.make(folder)
    scene.enqueue(*range(1, 7))
    workers = [scene.worker(seconds=0.05) for _ in range(2)]
    try:
        return scene.settled(6)
    finally:
        for each in workers:
            each.stop()


def database_locked(folder: Path) -> str:
    """Another program holds SQLite's lock for longer than a lease, amid delivery and fit."""
    scene = Scene.make(folder)
    scene.enqueue(1)
    actors = [scene.receiver(), scene.worker(seconds=0.5)]
    try:
        wait(lambda: beginnings(scene.notes) == 1)
        lock = sqlite3.connect(scene.folder / "work.db", isolation_level=None, timeout=30)
        lock.execute("BEGIN EXCLUSIVE")
        # The answer comes only once the lock is gone.
        release = subprocess.Popen(["sleep", "0.9"])
        release.wait()
        lock.execute("ROLLBACK")
        lock.close()
        answer = scene.post("d", version=2)
        return scene.settled(2) if answer == 202 else f"answer {answer}"
    finally:
        for each in actors:
            each.stop()


def database_restarted(folder: Path, cluster: Cluster) -> str:
    """PostgreSQL is stopped as in a crash amid a fit, a delivery is refused and repeated."""
    cluster.stop()
    cluster.start()
    scene = Scene.make(folder, table=cluster.url)
    table = FitQueue(cluster.url)
    with table.sessions.begin() as session:
        session.query(Fit).delete()
    table.close()
    scene.enqueue(1)
    actors = [scene.receiver(), scene.worker(seconds=0.3)]
    delivery = f"d-{folder.name}"
    try:
        wait(lambda: beginnings(scene.notes) == 1)
        cluster.stop()
        refused = scene.post(delivery, version=2)
        cluster.start()
        if refused != 503:
            return f"answer {refused} without a database"
        wait(lambda: scene.post(delivery, version=2) == 202)
        return scene.settled(2)
    finally:
        for each in actors:
            each.stop()


def disk_full(folder: Path, small: Path) -> str:
    """No space for the artifact, until somebody makes some."""
    scene = Scene.make(folder)
    (small / "artifact").unlink(missing_ok=True)
    (small / "ballast").write_bytes(bytes(200_000))
    scene.enqueue(1)
    actor = scene.worker(artifacts=small)
    try:
        wait(lambda: any(row.reason for row in scene.rows()))
        reason = str(scene.rows()[0].reason)
        (small / "ballast").unlink()
        return scene.settled(1) if "No space left" in reason else f"reason {reason!r}"
    finally:
        actor.stop()


def odd_deliveries(scene: Scene, number: int) -> dict[str, str]:
    """Each kind once against one receiver; "" or what was wrong, by kind."""
    first, second = 2 * number + 1, 2 * number + 2
    found: dict[str, str] = {}

    def expect(kind: str, got: object, wanted: object) -> None:
        found[kind] = "" if got == wanted else f"{got} instead of {wanted}"

    # The later version first.
    answers = [scene.post(f"d{second}", second), scene.post(f"d{first}", first)]
    versions = [row.version for row in scene.rows()]
    seen = [versions.count(first), versions.count(second)]
    expect("reordered", (answers, seen), ([202, 202], [1, 1]))
    answers = [scene.post(f"d{first}", first) for _ in range(3)]
    again = [scene.post(f"e{first}", first)]
    count = [row.version for row in scene.rows()].count(first)
    expect("duplicate", (answers + again, count), ([202] * 4, 1))
    before = len(scene.rows())
    unseen = 1_000_000 + number
    expect("replayed", scene.post(f"r{number}", unseen, age=400), 401)
    forged = [
        scene.post(f"f{number}", unseen, secret="somebody else's secret"),
        scene.post(f"g{number}", unseen, altered=True),
        scene.raw(b"{}", {}),
    ]
    expect("forged", forged, [401] * 3)
    expect("truncated", truncated(scene, number), True)
    expect("100 MB", large(scene), True)
    if len(scene.rows()) != before:
        found["forged"] += " and the table changed"
    if scene.post(f"h{number}", first) != 202:
        found["100 MB"] += " and the receiver is gone"
    return found


def truncated(scene: Scene, number: int) -> bool:
    """The connection ends in the middle of a signed body: nothing is written."""
    stamp = str(int(time.time()))
    body = json.dumps({"entity": "model_version", "action": "created"}).encode() + b" " * 999
    signature = sign(SECRET, f"t{number}", stamp, body)
    with socket.create_connection(("127.0.0.1", scene.settings.port)) as link:
        head = f"POST /mlflow HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{ID}: t{number}"
        head += f"\r\n{TIMESTAMP}: {stamp}\r\n{SIGNATURE}: {signature}\r\n\r\n"
        link.sendall(head.encode() + body[:100])
        link.shutdown(socket.SHUT_WR)
        answer = link.recv(64)
    return b" 2" not in answer[:12]


def large(scene: Scene) -> bool:
    """100 MB are refused long before they have been read, with and without a length."""
    port, part = scene.settings.port, bytes(65_536)
    for length in ("Content-Length: 100000000", "Transfer-Encoding: chunked"):
        taken = 0
        with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
            link.sendall(f"POST /mlflow HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
            try:
                while taken < 100_000_000:
                    chunk = part if "Length" in length else b"10000\r\n" + part + b"\r\n"
                    link.sendall(chunk)
                    taken += len(part)
                answer = link.recv(64)
            except (ConnectionResetError, BrokenPipeError):
                answer = b"HTTP/1.1 413"  # closed on us, which is what a refusal looks like
        if b" 413" not in answer or taken >= 100_000_000:
            return False
    return True
