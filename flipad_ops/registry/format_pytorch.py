"""Generators logged by mlflow.pytorch: exported programs, and pickles with consent.

A pickle is never read in this process: a child without this process's credentials loads it and
exports it, and what comes back is checked and read like any other program.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL, PIPE, TimeoutExpired, run
from typing import Any

import torch

from flipad_ops.common.child_process import bare_environment
from flipad_ops.common.errors import GeneratorUnreadable
from flipad_ops.common.extras import need
from flipad_ops.common.quick_imports import quick_imports
from flipad_ops.common.size_limits import check_archive, check_entries
from flipad_ops.generators import LatentSpec
from flipad_ops.generators.conditions import stated_inputs
from flipad_ops.generators.differentiable import let_gradients_through
from flipad_ops.generators.several_inputs import SeveralInputs
from flipad_ops.registry.model_folder import LoadedGenerator, ModelFolder

_PICKLE_SWITCH = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
#: Seconds a child may take to unpickle and export.
UNPICKLE_LIMIT = 900.0


def is_pytorch(folder: ModelFolder, metadata: Mapping[str, Any]) -> bool:
    """The flavour."""
    return "pytorch" in folder.flavors


def read_pytorch(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """A `torch.export` program, or a pickle with consent; raises GeneratorError,
    ExtraMissing."""
    need("pytorch", "Reading this version")
    read = read_pickle if folder.is_pickled else read_pt2
    return read(folder, metadata, device)


def read_pt2(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """A program written by `torch.export`, batch-polymorphic or for one latent at a time.

    Raises
    ------
    GeneratorUnreadable
    """
    path, kind = folder.data / "model.pt2", "mlflow.pytorch, exported program"
    return _read_program(path, device, kind, len(stated_inputs(metadata)))


def read_pickle(folder: ModelFolder, metadata: Mapping[str, Any], device: str) -> LoadedGenerator:
    """A pickled module, by way of a child process; the caller has checked consent.

    Raises
    ------
    LatentUnknown
        The child needs the latent's shape to export the module.
    GeneratorUnreadable
        It cannot be unpickled, or torch.export cannot trace it.
    """
    latent = metadata.get("latent")
    if isinstance(latent, Mapping) and "shape" in latent:
        metadata = {"latent": {"shape": latent["shape"]}}  # how latents are drawn does not matter
    spec = LatentSpec.from_metadata(metadata)
    with tempfile.TemporaryDirectory(prefix="flipad-unpickle-") as temporary:
        program = Path(temporary) / "model.pt2"
        _export_in_child(folder, spec.shape, program)
        return replace(
            _read_program(program, device, "mlflow.pytorch, pickle"),
            kind="mlflow.pytorch, pickle, loaded and exported in a process of its own",
        )


def _read_program(path: Path, device: str, kind: str, stated: int = 0) -> LoadedGenerator:
    check_archive(path)
    module = _checked(path)
    for node in module.graph.nodes:
        # Sizes for one sample: the batch is a symbol, or 1.
        if (shape := getattr(node.meta.get("val"), "shape", None)) is not None:
            check_entries(shape, f"{node.name!r} of the exported program")
    if torch.device(device).type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = torch.export.load(path)
        module = move_to_device_pass(program, device).module()
    let_gradients_through(module)
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(inputs) not in (1, stated):
        raise SeveralInputs([(node.name, node.meta["val"]) for node in inputs])
    size, *rest = inputs[0].meta["val"].shape
    if isinstance(size, int) and size != 1:
        raise GeneratorUnreadable(
            f"The generator was exported for batches of exactly {size}: log it with a dynamic "
            "batch dimension (an input_example of two rows and a model that does not fix its "
            "batch)."
        )
    known = all(isinstance(n, int) for n in rest)
    return LoadedGenerator(
        module,
        batched=not isinstance(size, int),
        kind=kind,
        runs_on=f"torch, {device}",
        latent_shape=tuple(rest) if known else None,
    )


def _checked(path: Path) -> torch.fx.GraphModule:
    """torch.export.load unpickles parts of the archive; MLflow checks them first, and only while
    its switch is off. It is shown the program alone, because it would also put the model's code
    folder in front of this process's import path."""
    import mlflow
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary, _pickle_forbidden():
        data = Path(temporary) / "data"
        data.mkdir()
        (data / "model.pt2").symlink_to(path.resolve())
        model = Model()
        model.add_flavor("pytorch", model_data="data", pytorch_version=str(torch.__version__))
        model.save(str(Path(temporary) / "MLmodel"))
        with quick_imports():  # it takes in half of torch's compiler
            module: torch.fx.GraphModule = mlflow.pytorch.load_model(temporary)
    return module


def _export_in_child(folder: ModelFolder, shape: tuple[int, ...], out: Path) -> None:
    code = folder.flavors["pytorch"].get("code")
    command = [
        sys.executable, "-P", "-m", "flipad_ops.registry.unpickle", str(folder.data / "model.pth"),
        str(out), ",".join(map(str, shape)), str(folder.path(code)) if code else "",
    ]  # fmt: skip
    environment = bare_environment(
        PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
        PYTHONWARNINGS="ignore",
        HOME=str(out.parent),
    )
    try:
        done = run(
            command, env=environment, cwd=out.parent, timeout=UNPICKLE_LIMIT, stdin=DEVNULL,
            stdout=DEVNULL, stderr=PIPE, check=False,
        )  # fmt: skip
    except TimeoutExpired as error:
        raise GeneratorUnreadable(
            f"Unpickling the generator took longer than {UNPICKLE_LIMIT:g} s."
        ) from error
    if done.returncode != 0 or not out.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        why = "".join(c for c in lines[-1] if c.isprintable())[:300]
        raise GeneratorUnreadable(
            f"The pickled generator cannot be loaded and exported: {why}",
            remedy="Log it again with serialization_format='pt2' where its code is installed",
        )


@contextmanager
def _pickle_forbidden() -> Iterator[None]:
    before = os.environ.get(_PICKLE_SWITCH)
    os.environ[_PICKLE_SWITCH] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PICKLE_SWITCH]
        else:
            os.environ[_PICKLE_SWITCH] = before
