"""Places a scan reads from, behind one small protocol."""

from flipad_ops.scanning.targets.base import Content, Item, Target
from flipad_ops.scanning.targets.local import LocalTarget

__all__ = ["Content", "Item", "LocalTarget", "Target", "open_target"]


def open_target(text: str) -> Target:
    """A target by its spelling: `s3://bucket/prefix`, else a local path.

    Raises
    ------
    UsageError
        A scheme nobody reads.
    """
    from flipad_ops.errors import UsageError

    if "://" in text:
        raise UsageError(f"Cannot read {text!r}: targets are local paths.")
    return LocalTarget(text)
