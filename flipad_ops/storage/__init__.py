"""Places a scan reads from, behind one small protocol."""

from __future__ import annotations

from pathlib import Path

from flipad_ops.common.errors import UsageError
from flipad_ops.storage.local import LocalTarget
from flipad_ops.storage.manifest import SUFFIXES, ManifestTarget
from flipad_ops.storage.s3 import S3Target
from flipad_ops.storage.s3_access import AS_CONFIGURED, S3Access
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


def open_target(text: str, access: S3Access = AS_CONFIGURED) -> Target:
    """A target by its spelling: `s3://bucket/prefix`, a manifest file, else a local path.

    Raises
    ------
    UsageError
        A scheme nobody reads.
    """
    if text.startswith("s3://"):
        return S3Target(text, access)
    if "://" in text:
        raise UsageError(f"Cannot read {text!r}: targets are s3://BUCKET/PREFIX or local paths.")
    if text.endswith(SUFFIXES) and Path(text).is_file():
        return ManifestTarget(text, access)
    return LocalTarget(text)
