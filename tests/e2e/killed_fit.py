"""Fits of `tiny/1` that end themselves by SIGKILL at places read from stdin.

`python -m tests.e2e.killed_fit STORE FOLDER` imports once what a fit needs, then forks for each
line: a stage (killed as it begins), a request (killed right after it) or `nowhere`. It answers
with the exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.servers import ENVIRONMENT

#: Requests that come after a version exists, and the tag they write, if any.
REQUESTS = {
    "alias": ("set_registered_model_alias", None),
    "status": ("set_model_version_tag", "fitted"),
}


class Fits:
    """The tests' end of the pipe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, place: str) -> int:
        """Fit until `place`; the exit code, negative for a signal."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{place}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def fits(store: str, folder: Path) -> Iterator[Fits]:
    """Start the process that forks."""
    with (folder / "fits.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.killed_fit", store, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT,
        )  # fmt: skip
    with process:
        yield Fits(process)


def main(store: str, folder: str) -> None:
    warnings.simplefilter("ignore")
    os.chdir(folder)
    tempfile.tempdir = folder  # what a kill leaves lying about goes with the test
    _warm_up(store, Path(folder))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _fit(store, line.strip())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _warm_up(store: str, folder: Path) -> None:
    """Load the generator from a copy of the store: connections are not to be inherited."""
    import torch

    import flipad_ops.workflows.fit  # noqa: F401
    from flipad_ops.registry.generators import load_generator
    from tests.registry.stores import copy_store

    torch.set_num_threads(1)
    (folder / "warm").mkdir()
    copy = copy_store(Path(store.removeprefix("sqlite:///")), folder / "warm")
    load_generator("tiny/1", tracking_uri=copy)


def _fit(store: str, place: str) -> None:
    from flipad_ops.workflows.fit import FitRequest, fit
    from tests.registry.tiny import small_settings

    if place in REQUESTS:
        _die_after(*REQUESTS[place])

    def progress(stage: str, done: int, total: int) -> None:
        if stage == place:
            _die()

    fit(FitRequest("tiny/1", settings=small_settings(), tracking_uri=store), progress)


def _die_after(method: str, value: str | None) -> None:
    from mlflow import MlflowClient

    call = getattr(MlflowClient, method)

    def last(*args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)
        if value in (None, args[-1]):
            _die()

    setattr(MlflowClient, method, last)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
