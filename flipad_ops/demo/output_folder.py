"""The demo's folder: taken, emptied of an earlier demo, and holding its own MLflow."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from flipad_ops.common.errors import UsageError

#: Written first, so that a second run knows the folder is the demo's own.
MARKER = ".flipadops-demo"
DATABASE = "mlflow.db"
#: What a demo leaves in its folder; a new demo removes these and nothing else.
MADE = (DATABASE, "mlruns", "negatives", "found", "report.html", "scan.jsonl")
#: Would send the demo's models to the user's own registry.
_REDIRECTIONS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
)


def claim(folder: Path) -> bool:
    """Make the folder, or remove what an earlier demo left there; whether there was one.

    Raises
    ------
    UsageError
        `folder` is a file, cannot be made, or holds something that is no earlier demo.
    """
    earlier = (folder / MARKER).is_file()
    try:
        if folder.is_dir() and any(folder.iterdir()) and not earlier:
            raise UsageError(f"{folder} is not empty and no earlier demo: name another --dir.")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text(
            f"Made by `flipadops demo`; a new demo here replaces {', '.join(MADE)}.\n"
        )
        for name in MADE if earlier else ():
            made = folder / name
            if made.is_dir() and not made.is_symlink():
                shutil.rmtree(made)
            else:
                made.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{folder} cannot be used: {reason}; name another --dir.") from error
    return earlier


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in `folder`, with MLflow's store and artifacts there and libraries' chat held back.

    Whatever the environment says of another MLflow does not count meanwhile.
    """
    import mlflow

    saved = {name: os.environ.pop(name) for name in _REDIRECTIONS if name in os.environ}
    was_set = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    before = mlflow.get_tracking_uri() if was_set else None
    held_back = logging.root.manager.disable
    logging.disable(logging.INFO)  # libraries set their loggers' levels when they are imported
    try:
        with contextlib.chdir(folder):
            mlflow.set_tracking_uri(f"sqlite:///{DATABASE}")
            yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it
        for name in _REDIRECTIONS:
            os.environ.pop(name, None)
        os.environ.update(saved)
        logging.disable(held_back)
