"""`flipadops` processes that start at once: forked from one that has imported everything.

`python -m tests.e2e.forked_scans` reads a JSON list per line: ["start", arguments, settings], which
it answers with the child's process id, or ["wait", id], answered with the exit code, negative for
a signal. Until then the id stays taken, so it can be killed safely.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.servers import ENVIRONMENT


class Scans:
    """The tests' end of the pipe."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self.folder = process, folder

    def start(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        patches: dict[str, Any] | None = None,
        log: Path | None = None,
    ) -> int:
        """Run `flipadops ARGUMENTS`; returns its process id.

        Parameters
        ----------
        environment : dict, optional
            Variables set for it.
        patches : dict, optional
            Values for module constants, by "module:NAME".
        log : Path, optional
            Where the digest of every image is written before it is scored.
        """
        return self._ask(["start", arguments, [environment or {}, patches or {}, str(log or "")]])

    def wait(self, pid: int) -> int:
        """The exit code, negative for a signal."""
        return self._ask(["wait", pid])

    def said(self, pid: int) -> str:
        """What it wrote to stderr."""
        return (self.folder / f"{pid}.err").read_text()

    def _ask(self, request: list[Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forked_scans(folder: Path) -> Iterator[Scans]:
    """Start the process that forks; `folder` gets what the children write to stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.forked_scans", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    with process:
        yield Scans(process, folder)


def main(folder: str) -> None:
    _warm_up()
    for line in sys.stdin:
        what, *rest = json.loads(line)
        if what == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _child(Path(folder), *rest)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _warm_up() -> None:
    """Import only: runtimes and pools of threads are not to be inherited."""
    import deltalake
    import torch

    import flipad_ops.registry.scorers
    import flipad_ops.scanning.pipeline.run  # noqa: F401

    assert deltalake
    torch.set_num_threads(1)


def _child(folder: Path, arguments: list[str], settings: list[Any]) -> None:
    """Become `flipadops ARGUMENTS`."""
    environment, patches, log = settings
    os.environ.update(environment)
    tempfile.tempdir = str(folder)  # what a kill leaves lying about goes with the test
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(os.open(folder / f"{os.getpid()}.err", os.O_WRONLY | os.O_CREAT), 2)
    code = 1
    try:
        for name, value in patches.items():
            module, _, attribute = name.partition(":")
            setattr(importlib.import_module(module), attribute, value)
        if log:
            _log_scoring(log)
        from flipad_ops.cli.main import main as flipadops

        sys.argv = ["flipadops", *arguments]
        flipadops()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _log_scoring(log: str) -> None:
    import hashlib

    from torch import Tensor

    from flipad_ops.attribution.scorer import ScoreBatch
    from flipad_ops.registry.scorers import LoadedScorer

    plain = LoadedScorer.score
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def score(self: LoadedScorer, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        lines = (hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in pixels)
        os.write(stream, "".join(f"{line}\n" for line in lines).encode())
        return plain(self, pixels, residual)

    LoadedScorer.score = score  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
