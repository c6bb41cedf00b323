"""Foreign images below an S3 prefix: listed and read as a scan does, a capped sample of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.common.errors import DataError, ImageError, ObjectArchived, ObjectGone
from flipad_ops.samples.decode import DEFAULT_LIMITS
from flipad_ops.samples.space import SampleSpace
from flipad_ops.storage import Item, Target, open_target
from flipad_ops.storage.image_folder import load_folder
from flipad_ops.storage.selection import Selection

#: Bytes read for one fit: photographs beyond that many add patches that no fit needs.
MAX_BYTES = 2 * 1024**3


@dataclass(frozen=True, eq=False)
class BucketImages:
    """What a prefix gave: images by object, and how many objects were usable and not."""

    images: ForeignImages
    usable: int
    unusable: int
    notes: tuple[str, ...]


def load_prefix(
    uri: str,
    space: SampleSpace,
    limit: int,
    seed: int,
    max_bytes: int = MAX_BYTES,
    scale: float = 0.0,
) -> BucketImages:
    """Read at most `limit` images below `uri`; larger ones give patches, as in `load_folder`.

    Credentials, region and endpoint are boto3's own: environment, profile or role.

    Parameters
    ----------
    uri : str
        `s3://BUCKET/PREFIX`.
    space : SampleSpace
    limit : int
        Of objects as of images.
    seed : int
        Draws the objects when there are more, and the patches.
    max_bytes : int
        Of all objects together.
    scale : float
        See `load_folder`.

    Raises
    ------
    UsageError
        No bucket in the address, or S3 cannot be set up.
    TargetError
        The prefix cannot be listed, or an object cannot be read.
    DataError
        No usable image.
    """
    target = open_target(uri)
    drawn = [item for _, item in Selection(sample=limit, seed=seed).pick([target])]
    items = _within(drawn, max_bytes, seed)
    if not items:
        raise DataError(f"There is no object at {uri}.")
    notes = []
    if len(drawn) == limit or len(items) < len(drawn):
        notes.append(f"{uri}: a sample of {len(items)} objects was read")
    with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
        # Keys may hold anything; files are numbered.
        files = {f"{index:08d}": item for index, item in enumerate(items)}
        unread = _fetch(target, files, Path(folder))
        try:
            loaded = load_folder(folder, space, limit, seed, patches=True, scale=scale)
        except DataError as error:
            raise DataError(
                f"{uri} holds no usable image among {len(items)} objects read."
            ) from error
    unusable = unread + len(loaded.skipped)
    groups = [files[name.partition("#")[0]].key for name in loaded.names]
    images = ForeignImages(loaded.images, groups)
    return BucketImages(images, len(items) - unusable, unusable, tuple(notes))


def _within(items: Sequence[Item], max_bytes: int, seed: int) -> list[Item]:
    """Objects drawn until their sizes add up to `max_bytes`, in key order; at least one."""
    kept: list[Item] = []
    total = 0
    for item in Random(seed).sample(list(items), len(items)):
        total += item.size
        if kept and total > max_bytes:
            break
        kept.append(item)
    return sorted(kept, key=lambda item: item.key)


def _fetch(target: Target, files: dict[str, Item], folder: Path) -> int:
    """Write each object to its file; the number of those of no use, or that are gone."""

    def one(name: str) -> int:
        try:
            content = target.read(files[name], DEFAULT_LIMITS.max_bytes)
        except (ImageError, ObjectArchived, ObjectGone):
            return 1
        (folder / name).write_bytes(content.data)
        return 0

    with ThreadPoolExecutor(target.concurrency) as pool:
        return sum(pool.map(one, files))
