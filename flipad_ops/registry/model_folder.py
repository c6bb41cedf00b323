"""What was fetched of a registered generator, and what a reader makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from flipad_ops.common.errors import GeneratorUnreadable, first_line
from flipad_ops.common.untrusted_json import parse

JSON_NAME = "flipad.json"
HOW_TO_DESCRIBE = (
    "Log the bare generator (latent in, images out) with mlflow.pytorch or mlflow.onnx; or, for a "
    "weights file, name the callable that builds the module: "
    '{"factory": "package.module:callable", "arguments": {}, "weights": "FILE.safetensors", '
    '"latent": {"shape": [100, 1, 1], "distribution": "normal"}}'
)


@dataclass(frozen=True)
class LoadedGenerator:
    """Something that runs: see `flipad_ops.generators.split_generator` for the first three.

    Parameters
    ----------
    kind : str
        What was read, for people.
    runs_on : str
        The device or execution provider in use.
    latent_shape : tuple of int or None
        As far as the artifact itself tells; the owner's word counts.
    latents : Tensor or None, (count, *latent_shape), float32
        Recorded ones, if the metadata names a file of them.
    note : str
        What its owner should know although it can be attributed.
    """

    forward: Callable[[Tensor], Any]
    state: Mapping[str, Tensor] | None = None
    batched: bool = True
    kind: str = ""
    runs_on: str = "cpu"
    latent_shape: tuple[int, ...] | None = None
    latents: Tensor | None = None
    note: str = ""


@dataclass(frozen=True)
class ModelFolder:
    """Fetched artifacts: their root, flavours and "flipad" metadata.

    Parameters
    ----------
    signature_shape : tuple of int or None
        Shape of one row of the signature's only tensor input.
    """

    root: Path
    flavors: Mapping[str, Mapping[str, Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    signature_shape: tuple[int, ...] | None = None

    @classmethod
    def open(cls, root: Path) -> ModelFolder:
        """Read MLmodel, if there is one, and flipad.json, if there is one.

        Raises
        ------
        GeneratorUnreadable
        """
        flavors: Mapping[str, Any] = {}
        metadata: dict[str, Any] = {}
        shape = None
        if (root / "MLmodel").exists():
            try:
                flavors, stated, shape = _mlmodel((root / "MLmodel").read_text(encoding="utf-8"))
            except Exception as error:  # YAML, and what is in it, fails in many ways
                raise GeneratorUnreadable(
                    f"The model's MLmodel file cannot be read: {first_line(error)}"
                ) from error
            if not isinstance(stated, Mapping):
                raise GeneratorUnreadable('The model\'s "flipad" metadata is not a mapping.')
            metadata |= stated
        return cls(root, flavors, {**_json_beside(root), **metadata}, shape)

    @property
    def data(self) -> Path:
        """Where the pytorch flavour keeps its files."""
        return self.path(str(self.flavors.get("pytorch", {}).get("model_data", "data")))

    @property
    def is_pickled(self) -> bool:
        """Whether reading it would unpickle objects, that is, run code."""
        return "pytorch" in self.flavors and not (self.data / "model.pt2").exists()

    def summary(self) -> str:
        """What is there, for people, before anything is read."""
        if "pytorch" in self.flavors:
            return f"mlflow.pytorch, {'pickle' if self.is_pickled else 'exported program'}"
        flavors = ", ".join(f"mlflow.{name}" for name in sorted(self.flavors))
        files = [path.name for path in self.find("*")]
        shown = ", ".join(files[:6]) + (", ..." if len(files) > 6 else "")
        return flavors or f"plain artifacts: {shown or 'no file'}"

    def path(self, relative: str) -> Path:
        """A path inside the folder; a GeneratorUnreadable for one that leads out of it."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise GeneratorUnreadable(f"{relative!r} lies outside the model's folder.")
        return path

    def find(self, pattern: str) -> list[Path]:
        """Files by name pattern at any depth."""
        return sorted(path for path in self.root.rglob(pattern) if path.is_file())


def _mlmodel(text: str) -> tuple[dict[str, Any], Any, tuple[int, ...] | None]:
    """Flavours, our metadata and the shape of one input; without MLflow's reader, which wants
    pandas."""
    import yaml  # type: ignore[import-untyped]

    model = yaml.safe_load(text)
    inputs = parse((model.get("signature") or {}).get("inputs") or "[]")
    shape = inputs[0].get("tensor-spec", {}).get("shape", ()) if len(inputs) == 1 else ()
    rest = tuple(int(size) for size in shape[1:])
    stated = (model.get("metadata") or {}).get("flipad") or {}
    return dict(model["flavors"]), stated, rest if rest and min(rest) > 0 else None


def _json_beside(root: Path) -> dict[str, Any]:
    path = root / JSON_NAME
    if not path.is_file():
        return {}
    try:
        fields = parse(path.read_text(encoding="utf-8"))
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise GeneratorUnreadable(f"{JSON_NAME} is not a JSON object.")
    return fields
