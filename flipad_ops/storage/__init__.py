"""Places that hold samples, behind one protocol."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flipad_ops.common.errors import UsageError
from flipad_ops.common.plugins import plugin
from flipad_ops.storage.local import LocalTarget
from flipad_ops.storage.manifest import ManifestTarget
from flipad_ops.storage.s3.access import AS_CONFIGURED, S3Access
from flipad_ops.storage.s3.s3_target import S3Target
from flipad_ops.storage.target import Content, Item, Target

__all__ = [
    "AS_CONFIGURED",
    "Content",
    "Item",
    "LocalTarget",
    "ManifestTarget",
    "S3Access",
    "S3Target",
    "Target",
    "open_target",
]

#: What opens a target, by the scheme of its address or by the suffix of its file. Other packages
#: name theirs as entry points of the group, for example `gs` or `.zip`.
TARGETS: dict[str, Callable[[str, S3Access], Target]] = {
    "s3": S3Target,
    ".parquet": ManifestTarget,
    ".csv": ManifestTarget,
    ".jsonl": ManifestTarget,
    ".ndjson": ManifestTarget,
}
GROUP = "flipad_ops.targets"


def open_target(text: str, access: S3Access = AS_CONFIGURED) -> Target:
    """A target by its spelling: `s3://bucket/prefix`, a manifest file, else a local path.

    Raises
    ------
    UsageError
        A scheme nobody reads.
    """
    scheme, mark, _ = text.partition("://")
    kind = scheme if mark else Path(text).suffix if os.path.isfile(text) else ""
    opener = TARGETS.get(kind) or (plugin(GROUP, kind) if kind else None)
    if opener is not None:
        target: Target = opener(text, access)
        return target
    if "://" in text:
        raise UsageError(f"Cannot read {text!r}: targets are s3://BUCKET/PREFIX or local paths.")
    return LocalTarget(text)
