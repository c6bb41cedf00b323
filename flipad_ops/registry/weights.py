"""Weights out of checkpoints, without unpickling objects, under the names that a module has."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from flipad_ops.common.errors import GeneratorUnreadable, UsageError, first_line
from flipad_ops.common.size_limits import check_archive
from flipad_ops.registry.foreign_files import refuse_foreign

#: What wrappers put into names: DataParallel, `torch.compile`.
WRAPPERS = ("module.", "_orig_mod.")
#: Keys that an error lists.
SHOWN = 8


def read_weights(path: Path, key: str | None = None) -> Mapping[str, Tensor]:
    """A state dict from a .safetensors or torch file, without unpickling objects.

    Raises
    ------
    UsageError
        No such file.
    GeneratorUnreadable
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file.")
    check_archive(path)
    refuse_foreign([path], path.parent)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Training scripts keep their options beside the weights; they are plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise GeneratorUnreadable(f"{path} cannot be read: {first_line(error)}") from error
    except Exception as error:  # torch's unpickler fails in many ways
        raise _not_plain(path, error) from error
    if key is not None:
        if not isinstance(state, Mapping) or key not in state:
            raise GeneratorUnreadable(f"{path} has no key {key!r}; it has {_keys(state)}.")
        state = state[key]
    if not is_state(state):
        raise GeneratorUnreadable(
            f"{path} is not a state dict{f' at {key!r}' if key else ''}: name its key with "
            f"--weights-key; it has {_keys(state)}."
        )
    return state  # type: ignore[no-any-return]


def is_state(value: Any) -> bool:
    """Whether it is a mapping of names to tensors."""
    return isinstance(value, Mapping) and all(isinstance(v, Tensor) for v in value.values())


def load_into(module: nn.Module, state: Mapping[str, Tensor], prefix: str | None) -> None:
    """Load weights whose names may have one prefix more than the module's, or a wrapper's part.

    Parameters
    ----------
    prefix : str or None
        Names that begin so count alone, without it; None looks for the one that makes all fit.

    Raises
    ------
    RuntimeError
        The weights do not fit; torch's words.
    ValueError
        Several prefixes would do, or none begins with `prefix`; a sentence.
    """
    wanted = set(module.state_dict())
    if prefix is not None:
        under = prefix if prefix.endswith(".") or not prefix else f"{prefix}."
        chosen = _under(state, under)
        if not chosen:
            raise ValueError(f"No weight's name begins with {under!r}")
        module.load_state_dict(chosen if set(chosen) == wanted else _unwrapped(chosen))
        return
    if set(state) == wanted:
        module.load_state_dict(dict(state))
        return
    for names in (state, _unwrapped(state)):
        fitting = [
            under for under in _prefixes(names, wanted) if set(_under(names, under)) == wanted
        ]
        if len(fitting) > 1:
            several = ", ".join(fitting)
            raise ValueError(f"It fits under several prefixes ({several}): --weights-prefix")
        if fitting:
            module.load_state_dict(_under(names, fitting[0]))
            return
    module.load_state_dict(dict(state))


def _prefixes(names: Mapping[str, Tensor], wanted: set[str]) -> list[str]:
    """What stands before one of the module's names, in order."""
    if not wanted:
        return []
    one = min(wanted)
    found = (name.removesuffix(one) for name in names if name == one or name.endswith(f".{one}"))
    return list(dict.fromkeys(found))


def _under(names: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in names.items() if k.startswith(prefix)}


def _unwrapped(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without the parts that wrappers put in, wherever they stand."""
    parts = "|".join(re.escape(each) for each in WRAPPERS)
    return {re.sub(rf"(^|(?<=\.))({parts})", "", name): value for name, value in names.items()}


def _not_plain(path: Path, error: Exception) -> GeneratorUnreadable:
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked is None:
        text = re.sub(r"\x1b\[[0-9;]*m", "", first_line(error))
        return GeneratorUnreadable(f"{path} is not a file of plain tensors: {text}")
    return GeneratorUnreadable(
        f"{path} is not a file of plain tensors: it holds objects of {asked[1]}, and loading those "
        "runs code.",
        remedy="Where you trust the file, save its weights alone: state = torch.load("
        f"{path.name!r}, weights_only=False); torch.save(state['KEY'] or state.state_dict(), "
        "'weights.pt')",
    )


def _keys(state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"a {type(state).__name__}"
    names = [str(key) for key, value in state.items() if is_state(value) and value] or [
        *map(str, state)
    ]
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
