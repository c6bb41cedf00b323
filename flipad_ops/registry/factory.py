"""Build a generator from a Python callable and a file of weights."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from flipad_ops.common.errors import FlipadError, GeneratorUnreadable, UsageError, first_line
from flipad_ops.common.size_limits import SizeGuard
from flipad_ops.registry.known import find_factory
from flipad_ops.registry.weights import load_into, read_weights


def build_generator(
    factory: str,
    arguments: Sequence[str] = (),
    weights: Path | None = None,
    weights_key: str | None = None,
    weights_prefix: str | None = None,
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
    weights_prefix : str, optional
        What the weights' names begin with and the module's do not; found if None and it makes all
        of them fit.

    Raises
    ------
    UsageError
        No such module or callable, or it refuses the arguments.
    GeneratorUnreadable
        The weights cannot be read or do not fit.
    """
    positional, named = parse_arguments(arguments)
    build = find_factory(factory)
    return construct(factory, build, positional, named, weights, (weights_key, weights_prefix))


def construct(
    name: str,
    build: Callable[..., Any],
    positional: Sequence[Any],
    named: Mapping[str, Any],
    weights: Path | None,
    place: tuple[str | None, str | None],
) -> nn.Module:
    """Call `build` and load the weights at a key and prefix of the file; errors as in
    `build_generator`, by `name`."""
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
            load_into(module, read_weights(weights, place[0]), place[1])
        except (RuntimeError, ValueError) as error:
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


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
