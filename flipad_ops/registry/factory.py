"""Build a generator from a Python callable and a file of weights."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from flipad_ops.common.errors import FlipadError, GeneratorUnreadable, UsageError, first_line
from flipad_ops.common.size_limits import SizeGuard, check_archive
from flipad_ops.registry.known import find_factory


def build_generator(
    factory: str,
    arguments: Sequence[str] = (),
    weights: Path | None = None,
    weights_key: str | None = None,
) -> nn.Module:
    """Call a factory with arguments and load the weights into what it returns.

    Parameters
    ----------
    factory : str
        `package.module:callable`, or a name that an installed package offers, see `known`.
    arguments : sequence of str
        "key=value" or "value"; values are Python literals, anything else is text.
    weights : Path, optional
        A .safetensors file, or a torch file read with `weights_only=True`.
    weights_key : str, optional
        Key of the state dict in a torch checkpoint.

    Raises
    ------
    UsageError
        No such module or callable, or it refuses the arguments.
    GeneratorUnreadable
        The weights cannot be read or do not fit.
    """
    positional, named = parse_arguments(arguments)
    return construct(factory, find_factory(factory), positional, named, weights, weights_key)


def construct(
    name: str,
    build: Callable[..., Any],
    positional: Sequence[Any],
    named: Mapping[str, Any],
    weights: Path | None,
    weights_key: str | None,
) -> nn.Module:
    """Call `build` and load the weights; errors as in `build_generator`, by `name`."""
    try:
        with SizeGuard():
            module = build(*positional, **named)
    except FlipadError:
        raise
    except Exception as error:  # the factory is the user's code
        raise UsageError(f"{name} failed: {first_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"{name} returned a {type(module).__name__}, not a torch module.")
    if weights is not None:
        try:
            module.load_state_dict(dict(read_weights(weights, weights_key)))
        except RuntimeError as error:
            why = " ".join(str(error).split())[:300]
            raise GeneratorUnreadable(f"{weights.name} does not fit {name}: {why}") from error
    return module.eval()


def parse_arguments(arguments: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Split "key=value" from "value"; each value a literal where it is one, text otherwise."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for text in arguments:
        key, equals, value = text.partition("=")
        if equals and key.isidentifier():
            named[key] = _literal(value)
        elif named:
            raise UsageError(f"Argument {text!r} stands after named ones.")
        else:
            positional.append(_literal(text))
    return positional, named


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
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise GeneratorUnreadable(f"{path} cannot be read: {first_line(error)}") from error
    except Exception as error:  # torch's unpickler fails in many ways
        raise GeneratorUnreadable(
            f"{path} is not a file of plain tensors: {first_line(error)}"
        ) from error
    if key is not None:
        if not isinstance(state, Mapping) or key not in state:
            raise GeneratorUnreadable(f"{path} has no key {key!r}; it has {_keys(state)}.")
        state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise GeneratorUnreadable(
            f"{path} is not a state dict{f' at {key!r}' if key else ''}: name its key with "
            f"--weights-key; it has {_keys(state)}."
        )
    return state


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _keys(state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"a {type(state).__name__}"
    names = [str(key) for key in list(state)[:8]]
    return ", ".join(names) + (", ..." if len(state) > 8 else "")
