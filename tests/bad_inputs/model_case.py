"""One registered version that is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.registry.tiny import LATENT

Writer = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A registered version, by the function that writes its files."""

    name: str
    write: Writer
    sentence: str
    code: int = 2
    latent: Any = field(default_factory=lambda: LATENT)
    arguments: tuple[str, ...] = ()
