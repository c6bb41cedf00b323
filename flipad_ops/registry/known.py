"""Callables that build generators: offered by installed packages, or allowed by the operator.

A package offers one in its pyproject.toml, and metadata or `--factory` then uses the name:

    [project.entry-points."flipad_ops.generators"]
    ourgan = "ourpackage.models:build_generator"
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from flipad_ops.common.errors import GeneratorUnreadable, UsageError, first_line

GROUP = "flipad_ops.generators"
#: Modules whose callables metadata may name, separated by commas; submodules included.
ALLOWED = "FLIPADOPS_FACTORIES"


def known_factories() -> dict[str, EntryPoint]:
    """What installed packages offer, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def find_factory(text: str) -> Callable[..., Any]:
    """A name that a package offers, or `package.module:callable`: the caller's own word.

    Raises
    ------
    UsageError
    """
    if ":" in text:
        return find_callable(text)
    known = known_factories()
    if text not in known:
        offered = ", ".join(sorted(known)) or "none"
        raise UsageError(
            f"{text!r} is not of the form package.module:callable, nor a name that an installed "
            f"package offers under {GROUP} (offered: {offered})."
        )
    try:
        found = known[text].load()
    except Exception as error:  # importing runs the package's code
        raise UsageError(
            f"{text!r} ({known[text].value}) cannot be imported: {first_line(error)}"
        ) from error
    if not callable(found):
        raise UsageError(f"{text!r} ({known[text].value}) is not callable.")
    return found  # type: ignore[no-any-return]


def find_callable(text: str) -> Callable[..., Any]:
    """`package.module:callable`, the working directory included, as for `python -m`."""
    module_name, _, attribute = text.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"{text!r} is not of the form package.module:callable.")
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the user's code
        raise UsageError(f"{text!r} cannot be imported: {first_line(error)}") from error
    finally:
        if added:
            sys.path.remove(here)
    if not callable(found):
        raise UsageError(f"{text!r} is not callable.")
    return found  # type: ignore[no-any-return]


def trusted_factory(text: str) -> Callable[..., Any]:
    """The same for a name out of a registry, where others write.

    Raises
    ------
    GeneratorUnreadable
        Not offered by an installed package and not allowed by FLIPADOPS_FACTORIES.
    """
    module = text.partition(":")[0]
    if ":" in text and not any(_covers(each, module) for each in _allowed()):
        raise GeneratorUnreadable(
            f"The metadata names {text!r}, code that this service does not allow.",
            remedy=f"If you trust it, set {ALLOWED}={module} where fits run, or let an installed "
            f"package offer it as an entry point under {GROUP}",
        )
    try:
        return find_factory(text)
    except UsageError as error:
        raise GeneratorUnreadable(
            str(error), remedy="Install the package that holds the factory where fits run"
        ) from error


def _allowed() -> list[str]:
    return [part.strip() for part in os.environ.get(ALLOWED, "").split(",") if part.strip()]


def _covers(allowed: str, module: str) -> bool:
    return module == allowed or module.startswith(f"{allowed}.")
