"""The kinds of samples, and which of them words in metadata or an attributor's file mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipad_ops.common.errors import UsageError
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.image_space import Arrays, DeepImages, Images
from flipad_ops.samples.space import SampleSpace

#: In the order in which they are asked whether they are meant.
KINDS: tuple[type[SampleSpace], ...] = (Columns, DeepImages, Images, Arrays)
#: Images by what their owner states.
IMAGES = {8: Images, 16: DeepImages}


def space_of(metadata: Mapping[str, Any] | None, shape: tuple[int, ...]) -> SampleSpace:
    """What samples of `shape` are, by their owner's word: bits of an image, columns of a table.

    Raises
    ------
    NotAttributable
        The words are malformed, or do not fit samples of this shape.
    """
    found = (kind.stated(metadata or {}, tuple(shape)) for kind in KINDS)
    return next(space for space in found if space is not None)


def decodable(space: SampleSpace) -> SampleSpace:
    """The space, if its samples are in files; else a UsageError."""
    if not space.decodable:
        raise UsageError(
            f"This attributor is for samples of shape {list(space.shape)}, neither images nor rows "
            "of a table with named columns."
        )
    return space
