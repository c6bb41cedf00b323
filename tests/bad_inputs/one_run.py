"""A process that has torch and MLflow imported and forks for every command it is asked to run.

    python -m tests.bad_inputs.one_run

One JSON object {"arguments", "folder"} per line of stdin, one {"code", "said", "peak_mb"} per line
of stdout. A child has `MEMORY` of address space more than its parent and `PATIENCE` seconds.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Seconds, and bytes of address space above those of the libraries.
PATIENCE, MEMORY = 30, 2 * 2**30


def run(arguments: list[str], folder: str) -> dict[str, Any]:
    """`flipadops` in a child."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            _child(arguments, folder, said.fileno())
        _, status, used = os.wait4(child, 0)
        said.seek(0)
        code = os.waitstatus_to_exitcode(status)
        text = said.read().decode(errors="replace")
    return {"code": code, "said": text, "peak_mb": used.ru_maxrss // 1024}


def _child(arguments: list[str], folder: str, said: int) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        for stream in (1, 2):
            os.dup2(said, stream)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        sys.argv = ["flipadops", *arguments]
        from flipad_ops.cli.main import main

        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer until stdin ends."""
    import diffusers.models.autoencoders.autoencoder_kl
    import mlflow.pytorch
    import onnxruntime
    import torch.export

    import flipad_ops.registry.diagnosis  # noqa: F401

    del diffusers, mlflow, onnxruntime
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(run(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
