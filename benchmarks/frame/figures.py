"""Pictures, drawn without a display; the same data give the same bytes of SVG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@contextmanager
def drawn(path: Path, salt: str, *shape: int, **options: Any) -> Iterator[Any]:
    """Axes, (rows, columns) of them where `shape` says so, that are written on leaving.

    `salt` makes the ids in an SVG.
    """
    matplotlib.rcParams["svg.hashsalt"] = salt
    figure, axes = plt.subplots(*shape, **options)
    yield axes
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
