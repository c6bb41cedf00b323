"""What the soak does to a service and reads from it."""

from __future__ import annotations

import os
import signal
import sqlite3
import statistics
from collections import Counter
from pathlib import Path

import torch

from benchmarks.hook_parts.house import Service
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.samples.png import encode_png
from tests.conftest import noise_images, toy_fit_settings
from tests.generators.toys import dcgan16

#: How a child of the service is told: a word of its command line.
WORDS = {"fit": "registry_hooks.fit_entry", "scan": "flipad_ops scan"}


def attributor(path: Path) -> None:
    """Fit the generator of the planted images, and keep its attributor at `path`."""
    fitted = fit_attributor(
        _own(),
        {
            "noise": ForeignImages(noise_images(200, seed=1)),
            "sibling": ForeignImages(_own(seed=1).sample(200, seed=1)),
        },
        toy_fit_settings(max_negatives=400),
        equivalence_class=("toy/1",),
    )
    save_attributor(fitted.attributor, path)


def _own(seed: int = 0) -> SplitGenerator:
    return split_generator(dcgan16(seed=seed), {"latent": {"shape": [4, 1, 1]}}, name="toy")


class Folder:
    """A folder of images that fills up; one in five is of the generator of `attributor`.

    Parameters
    ----------
    path : Path
    seed : int
    """

    def __init__(self, path: Path, seed: int) -> None:
        path.mkdir()
        self.path, self.names, self.planted = path, set[str](), 0
        self._source, self._own, self._seed = torch.Generator().manual_seed(seed), _own(), seed

    def add(self, count: int) -> None:
        """So many more images; each appears whole."""
        for _ in range(count):
            name = f"{len(self.names):05d}.png"
            pixels = torch.rand(3, 16, 16, generator=self._source)
            if len(self.names) % 5 == 0:
                self.planted += 1
                pixels = self._own.sample(1, seed=1000 * self._seed + self.planted)[0]
            part = self.path / f".{name}"
            part.write_bytes(encode_png((pixels * 255).round() / 255))
            part.rename(self.path / name)
            self.names.add(name)


class Memory:
    """The service's own resident memory over its last life."""

    def __init__(self) -> None:
        self._pid, self._life = 0, list[tuple[float, float]]()

    def sample(self, service: Service, now: float) -> None:
        """Note it; a new process begins a new life."""
        assert service.process is not None
        if service.process.pid != self._pid:
            self._pid, self._life = service.process.pid, []
        try:
            text = Path(f"/proc/{self._pid}/status").read_text()
        except OSError:
            return
        kilobytes = next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]
        self._life.append((now, int(kilobytes) / 1024))

    def growth(self) -> float:
        """Median of the last quarter of the life over that of the second quarter."""
        second, last = self._quarter(1), self._quarter(3)
        return round(statistics.median(last) / statistics.median(second), 4)

    def described(self) -> dict[str, float]:
        """Minutes of the life, and medians of its quarters in MiB."""
        minutes = (self._life[-1][0] - self._life[0][0]) / 60
        medians = {f"quarter {n + 1}": statistics.median(self._quarter(n)) for n in range(4)}
        return {"minutes": round(minutes, 1), **{k: round(v, 1) for k, v in medians.items()}}

    def _quarter(self, number: int) -> list[float]:
        size = len(self._life) // 4
        return [value for _, value in self._life[number * size : (number + 1) * size]]


def kill(service: Service, kind: str) -> str:
    """`kill -9` the service or one of its children; what was hit, "" if there was none."""
    assert service.process is not None
    if kind == "service":
        service.stop(signal.SIGKILL)
        return kind
    for pid in _descendants(service.process.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            if WORDS[kind].encode() in words:
                os.kill(pid, signal.SIGKILL)
                return kind
        except (OSError, ProcessLookupError):
            continue
    return ""


def ledger_keys(path: Path) -> Counter[str]:
    """How often the last run's rows name each object."""
    if not path.exists():
        return Counter()
    ledger = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return Counter(
            key
            for (key,) in ledger.execute(
                "SELECT key FROM rows WHERE outcome = 'scored' AND run = "
                "(SELECT max(id) FROM runs WHERE finished IS NOT NULL)"
            )
        )
    except sqlite3.OperationalError:  # not begun yet
        return Counter()
    finally:
        ledger.close()


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found, waiting = list[int](), [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found
