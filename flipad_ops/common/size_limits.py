"""Sizes that models state, checked before memory is taken for them."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from flipad_ops.common.errors import GeneratorTooLarge, UsageError

#: Environment variable: entries at most of one tensor (a weight, or an activation of one sample).
SETTING = "FLIPADOPS_MAX_ENTRIES"
#: Its default, 4 GiB of float32; Stable Diffusion's decoder makes 2**27 at 1024x1024.
MAX_ENTRIES = 2**30
#: An archive may say that it unpacks to so many times its size, and so many bytes more.
RATIO, MORE_BYTES = 20, 2**28


def max_entries() -> int:
    """The limit in force; UsageError for a setting that is no positive number."""
    text = os.environ.get(SETTING, "")
    if not text:
        return MAX_ENTRIES
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{SETTING} must be a whole number above 0, not {text[:40]!r}.")
    return int(text)


def check_entries(shape: Iterable[Any], what: str) -> None:
    """Refuse a shape over the limit; sizes that are not known (symbols) count as 1.

    Raises
    ------
    GeneratorTooLarge
    """
    sizes = [size if type(size) is int else 1 for size in shape]
    limit = max_entries()
    if math.prod(sizes) > limit:
        raise GeneratorTooLarge(
            f"{what} has shape {sizes}, more than {limit} entries.",
            remedy=f"If the model really is that large, set {SETTING} where fits run",
        )


def check_archive(path: Path) -> None:
    """Refuse a ZIP file (.pt2, .pth, .npz) that says it unpacks to far more than it holds.

    Raises
    ------
    GeneratorTooLarge
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
    size = path.stat().st_size
    if total > RATIO * size + MORE_BYTES:
        raise GeneratorTooLarge(
            f"{path.name} has {size} bytes and unpacks to {total}: it is not read.",
            remedy="Log the model again; torch stores weights as they are, without compression",
        )


class SizeGuard(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, no tensor over the limit is made from a stated size (`torch.empty(...)`)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if args and isinstance(args[0], (list, tuple)):
            sizes = list(args[0])
            if sizes and all(type(size) is int for size in sizes):
                check_entries(sizes, "A tensor that the model makes")
        return func(*args, **(kwargs or {}))
