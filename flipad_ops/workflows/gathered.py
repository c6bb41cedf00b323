"""Foreign images by source: no image twice, and none of the generator's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.related_images import related


@dataclass(eq=False)
class Gathered:
    """Foreign images by source, what was left out, and the manifest's rows.

    Parameters
    ----------
    images : dict of source to ForeignImages
    hashes : dict of source to list of str
        SHA-256 of each image's pixels.
    files : dict of source to (usable, unusable) files
    origins : dict of source to where it comes from
    notes : list of str
    group : callable
        From a known origin's name to the one that counts.
    """

    images: dict[str, ForeignImages] = field(default_factory=dict)
    hashes: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    group: Callable[[str], str] = str

    def add(
        self,
        name: str,
        origin: str,
        images: Tensor,
        groups: list[str] | None,
        sibling: bool = False,
        generated: bool = False,
    ) -> None:
        """Enter a source; repeated images stay out, and groups that are tiles of one picture or
        copies become one."""
        hashes = pixel_hashes(images)
        keep = first_of_each(hashes)
        if len(keep) < len(hashes):
            self.notes.append(f"{name}: {len(hashes) - len(keep)} repeated images left out")
        if groups is not None:
            groups = [self.group(name) for name in groups]
            known, groups = len(set(groups)), related(images, groups)
            left = len(set(groups))
            if left < known:
                self.notes.append(
                    f"{name}: {known} origins by their names count as {left}, as some are tiles "
                    "of one picture or copies"
                )
        source = ForeignImages(images, groups, sibling, generated)
        self._store(name, source, hashes, keep)
        self.origins[name] = origin

    def drop(self, own: set[str]) -> None:
        """Leave out images that are pixel for pixel own samples; sources left empty go too."""
        for name in list(self.images):
            source, hashes = self.images[name], self.hashes[name]
            keep = [index for index, value in enumerate(hashes) if value not in own]
            if len(keep) == len(hashes):
                continue
            self.notes.append(f"{name}: {len(hashes) - len(keep)} own samples left out")
            self._store(name, source, hashes, keep)
            if not keep:
                del self.images[name], self.hashes[name], self.origins[name]

    def _store(self, name: str, source: ForeignImages, hashes: list[str], keep: list[int]) -> None:
        groups = None if source.groups is None else [source.groups[index] for index in keep]
        self.images[name] = replace(source, images=source.images[keep], groups=groups)
        self.hashes[name] = [hashes[index] for index in keep]


def pixel_hashes(images: Tensor) -> list[str]:
    """SHA-256 of each image's 8-bit pixels, or of finer values; float32 (n, ...) in [0, 1]."""
    rounded = (images * 255).round()
    coarse = torch.equal(rounded / 255, images)
    pixels = rounded.to(torch.uint8).numpy() if coarse else images.numpy()
    return [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in pixels]


def first_of_each(values: Iterable[str]) -> list[int]:
    """Indices of first occurrences."""
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        seen.setdefault(value, index)
    return list(seen.values())
