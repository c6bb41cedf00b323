"""A word on negatives that show nothing: patches of large photographs are mostly sky and walls."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from flipad_ops.regeneration.measures import which_flat

#: Share of flat patches from which on a fit says so.
MANY = 0.5


def flat_said(name: str, images: Tensor, groups: Sequence[str]) -> list[str]:
    """A sentence where most images are patches and flat, none otherwise.

    Parameters
    ----------
    images : Tensor, float32, (n, channels, height, width) in [0, 1]
    groups : sequence of str
        Of which file each is.
    """
    if len(set(groups)) == len(groups):
        return []
    share = float(which_flat(images, 1 / 255).double().mean())
    if share <= MANY:
        return []
    return [
        f"{name}: {share:.0%} of the patches are flat and teach nothing: --patch-scale 4 shrinks "
        "photographs first, so that patches show more of them"
    ]
