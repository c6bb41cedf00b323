"""A folder of images as one tensor: how a fit gets its foreign images.

With `patches=True` an image larger than the wanted size gives patches of that size instead of
being skipped: first the tiles of a grid, which do not overlap, then, when `limit` asks for
more, further patches at seeded random places. A few photographs then give thousands. Patches of
large photographs are close-ups, most of them flat; of shrunk ones they show more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from flipad_ops.common.errors import DataError, ImageError, UsageError
from flipad_ops.samples.decode import DEFAULT_LIMITS, DecodedImage, DecodeLimits, decode
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.patches import choose_places, shrunk, shrunk_size
from flipad_ops.samples.sample_kinds import IMAGES
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.samples.space import SampleSpace, Values

__all__ = ["FolderImages", "image_files", "load_commonest", "load_folder"]

Skips = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class FolderImages:
    """What a folder held.

    Parameters
    ----------
    images : Tensor (count, channels, height, width), float32 in [0, 1], as stored
    space : Images
        What they are.
    names : tuple of str
        Path below the folder; a patch adds "#top,left".
    skipped : tuple of (str, str)
        Path below the folder and the reason, one sentence.
    """

    images: Tensor
    space: Images
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)


def image_files(path: Path) -> list[Path]:
    """Every file below `path` in name order, hidden ones left out."""
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(p.startswith(".") for p in file.relative_to(path).parts)
    )


def load_folder(
    path: str | Path,
    space: SampleSpace,
    limit: int | None = None,
    seed: int = 0,
    *,
    patches: bool = False,
    scale: float = 0.0,
    size_rule: SizeRule = "reject",
    limits: DecodeLimits = DEFAULT_LIMITS,
) -> FolderImages:
    """Read the images of a folder, recursively; unusable files are skipped with a reason.

    Parameters
    ----------
    space : Images
        What is read; others have no files.
    limit : int, optional
        At most this many images, drawn by `seed`; returned in name order.
    patches : bool
        Cut larger images into patches instead of applying `size_rule`.
    scale : float
        Of such images: shrunk first until they are so many times as large as a patch, by the side
        that is fewer times as large; 0 leaves them as they are.

    Raises
    ------
    UsageError
        `path` is not a folder.
    DataError
        It holds no usable image.
    """
    if not isinstance(space, Images):
        raise UsageError(f"A folder of images gives no {space.describe()}.")
    root = Path(path)
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder.")
    if limit is not None and limit < 1:
        raise UsageError("The limit on images must be positive.")
    files = {file.relative_to(root).as_posix(): file for file in image_files(root)}
    skipped: Skips = []
    found: dict[str, Values] = {}
    if patches:
        _, height, width = space.shape
        sizes = {
            name: shrunk_size(size, (height, width), scale)
            for name, size in _sizes(files, limits, skipped).items()
        }
        for name, places in choose_places(sizes, (height, width), limit, seed, skipped).items():
            try:
                pixels = shrunk(space.whole(_read(files[name], limits)), sizes[name])
            except ImageError as error:
                skipped.append((name, str(error)))
                continue
            for top, left in places:
                patch = pixels[top : top + height, left : left + width].transpose(2, 0, 1)
                found[f"{name}#{top},{left}"] = np.ascontiguousarray(patch)
    else:
        for name in _order(list(files), limit, seed):
            try:
                found[name] = space.fit(_read(files[name], limits), size_rule)
            except ImageError as error:
                skipped.append((name, str(error)))
            if len(found) == limit:
                break
        found = dict(sorted(found.items()))
    return _loaded(root, len(files), space, found, skipped)


def load_commonest(path: str | Path, bits: int = 8) -> FolderImages:
    """The images of a folder that have its commonest size, in its commonest number of channels.

    Every file is decoded once, so all are in memory with their 8 or 16 bits. Raises what
    `load_folder` raises.
    """
    root = Path(path)
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder.")
    skipped: Skips = []
    decoded: dict[str, DecodedImage] = {}
    files = image_files(root)
    for file in files:
        name = file.relative_to(root).as_posix()
        try:
            decoded[name] = _read(file, DEFAULT_LIMITS)
        except ImageError as error:
            skipped.append((name, str(error)))
    shapes = Counter((image.pixels.shape[2], *image.size) for image in decoded.values())
    space = IMAGES[bits](shapes.most_common(1)[0][0] if shapes else (1, 1, 1))
    found: dict[str, Values] = {}
    for name, image in decoded.items():
        try:
            found[name] = space.fit(image)
        except ImageError as error:
            skipped.append((name, str(error)))
    return _loaded(root, len(files), space, found, skipped)


def _loaded(
    root: Path, files: int, space: Images, found: dict[str, Values], skipped: Skips
) -> FolderImages:
    if not found:
        why = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise DataError(f"{root} holds no usable image among {files} files{why}.")
    images = space.to_tensor(np.stack(list(found.values())))
    return FolderImages(images, space, tuple(found), tuple(sorted(skipped)))


def _read(file: Path, limits: DecodeLimits) -> DecodedImage:
    try:
        with file.open("rb") as stream:
            return decode(stream.read(limits.max_bytes + 1), limits)
    except OSError as error:  # gone since, or not ours to read
        raise ImageError(f"It cannot be read: {error.strerror}.") from error


def _sizes(
    files: dict[str, Path], limits: DecodeLimits, skipped: Skips
) -> dict[str, tuple[int, int]]:
    # Decoding twice keeps one photograph in memory at a time instead of a folder of them.
    sizes = {}
    for name, file in files.items():
        try:
            sizes[name] = _read(file, limits).size
        except ImageError as error:
            skipped.append((name, str(error)))
    return sizes


def _order(names: list[str], limit: int | None, seed: int) -> Iterator[str]:
    if limit is None:
        yield from names
    else:
        yield from (names[i] for i in np.random.default_rng(seed).permutation(len(names)))
