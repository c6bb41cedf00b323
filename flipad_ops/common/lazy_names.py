"""Names of a package that are imported when somebody asks for them: torch alone takes a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__`.

    Parameters
    ----------
    package : str
        The module's own name.
    places : mapping
        Modules below it, to the names that they hold, with blanks between.
    """
    held = {name: place for place, names in places.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in held:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{held[name]}"), name)

    return get
