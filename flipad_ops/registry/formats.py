"""The formats in which people log generators, read from a folder that MLflow fetched.

| flavour | file | how it is read |
|---|---|---|
| pytorch, pt2 | `data/model.pt2` | `torch.export.load`, after MLflow found no pickle in it |
| pytorch, pickle | `data/model.pth` | `mlflow.pytorch.load_model`; the caller has checked consent |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flipad_ops.errors import FlipadError, GeneratorUnreadable
from flipad_ops.registry.store import first_line

_PICKLE_SWITCH = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


@dataclass(frozen=True)
class LoadedGenerator:
    """Something that runs: see `flipad_ops.generators.split_generator` for the fields."""

    forward: Callable[[Tensor], Any]
    state: Mapping[str, Tensor] | None = None
    batched: bool = True


@dataclass(frozen=True)
class ModelFolder:
    """A fetched model: its root, flavours and "flipad" metadata."""

    root: Path
    flavors: Mapping[str, Mapping[str, Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path) -> ModelFolder:
        """Read MLmodel.

        Raises
        ------
        GeneratorUnreadable
        """
        from mlflow.models import Model

        try:
            model = Model.load(str(root))
        except Exception as error:  # a damaged file fails in many ways inside MLflow and YAML
            raise GeneratorUnreadable(
                f"The model's MLmodel file cannot be read: {first_line(error)}"
            ) from error
        metadata = (model.metadata or {}).get("flipad") or {}
        if not isinstance(metadata, Mapping):
            raise GeneratorUnreadable('The model\'s "flipad" metadata is not a mapping.')
        return cls(root, model.flavors, metadata)

    @property
    def data(self) -> Path:
        """Where the pytorch flavour keeps its files."""
        return self.root / str(self.flavors.get("pytorch", {}).get("model_data", "data"))

    @property
    def is_pickled(self) -> bool:
        """Whether reading it would unpickle objects, that is, run code."""
        return "pytorch" in self.flavors and not (self.data / "model.pt2").exists()


def read_generator(folder: ModelFolder, device: str) -> LoadedGenerator:
    """Read any supported flavour; a pickled one is loaded without further questions.

    Raises
    ------
    GeneratorUnreadable
    """
    if "pytorch" not in folder.flavors:
        known = ", ".join(sorted(folder.flavors)) or "none"
        raise GeneratorUnreadable(
            f"The model has flavours {known}; a generator must be logged with mlflow.pytorch."
        )
    try:
        return _read_pickle(folder, device) if folder.is_pickled else _read_pt2(folder, device)
    except FlipadError:
        raise
    except Exception as error:  # torch and MLflow raise what their readers stumble over
        raise GeneratorUnreadable(
            f"The generator's file cannot be loaded: {first_line(error)}"
        ) from error


def _read_pt2(folder: ModelFolder, device: str) -> LoadedGenerator:
    import mlflow

    path = folder.data / "model.pt2"
    with _pickle_forbidden():
        # torch.export.load unpickles parts of the archive; MLflow checks them first, and only
        # while its switch is off.
        module = mlflow.pytorch.load_model(str(folder.root))
    if torch.device(device).type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = torch.export.load(path)
        module = move_to_device_pass(program, device).module()
    return LoadedGenerator(module, batched=_accepts_batches(module))


def _accepts_batches(module: torch.fx.GraphModule) -> bool:
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise GeneratorUnreadable(
            f"The exported generator takes {len(inputs)} inputs; it must take one, the latent."
        )
    size = inputs[0].meta["val"].shape[0]
    if not isinstance(size, int):
        return True
    if size == 1:
        return False
    raise GeneratorUnreadable(
        f"The generator was exported for batches of exactly {size}: log it with a dynamic batch "
        "dimension (an input_example of two rows and a model that does not fix its batch)."
    )


def _read_pickle(folder: ModelFolder, device: str) -> LoadedGenerator:
    import mlflow

    return LoadedGenerator(mlflow.pytorch.load_model(str(folder.root), map_location=device))


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
