"""Latents guessed by ridge regression: one linear solve in place of an encoder's training.

A coarser guess than an encoder's, and of nothing but images as made. It is where a search begins
that decides nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Longest side of the copies that are looked at.
SIDE = 32
#: Weight of the latents' size, in units of the mean squared distance of copies from their mean.
RIDGE = 0.1


def small(pixels: Tensor) -> Tensor:
    """(n, channels, height, width) to (n, features): copies of at most SIDE pixels a side."""
    height, width = (min(SIDE, side) for side in pixels.shape[2:])
    return F.adaptive_avg_pool2d(pixels, (height, width)).flatten(1)


def ridge_guess(known: Tensor, latents: Tensor, found: Tensor) -> Tensor:
    """Latents of images whose copies are `found`.

    Parameters
    ----------
    known : Tensor, (n, features)
        `small` of the images of known latents.
    latents : Tensor, float32, (n, *latent_shape)
    found : Tensor, (m, features)

    Returns
    -------
    Tensor, float32, (m, *latent_shape), on the CPU
    """
    mean, centre = known.double().mean(dim=0), latents.mean(dim=0)
    at, sought = known.double() - mean, found.double() - mean
    gram = at @ at.T
    weight = (RIDGE * gram.diagonal().mean()).clamp_min(1e-12)
    gram.diagonal().add_(weight)
    shares = torch.linalg.solve(gram, at @ sought.T).T.to(latents)
    guess: Tensor = centre + (shares @ (latents - centre).flatten(1)).reshape(
        -1, *latents.shape[1:]
    )
    return guess
