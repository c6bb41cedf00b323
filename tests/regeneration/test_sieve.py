"""Which images are worth a search."""

from __future__ import annotations

import torch

from flipad_ops.attribution.augmentation import IN_PLACE, mixture
from flipad_ops.regeneration.sieve import Sieve, can_sieve
from tests.regeneration.small import SIDE, generator, images


def _fitted() -> Sieve:
    own = images(generator(), 300, 1)[1]
    sieve = Sieve((1, SIDE, SIDE))
    sieve.fit(torch.cat([own[:150], mixture(own[150:], 2, IN_PLACE)])[torch.randperm(300)])
    return sieve


def test_own_images_pass_and_noise_does_not() -> None:
    sieve, own = _fitted(), images(generator(), 100, 3)[1]
    assert (sieve(own) <= 0).double().mean() > 0.97
    source = torch.Generator().manual_seed(0)
    assert bool((sieve(torch.rand(20, 1, SIDE, SIDE, generator=source)) > 0).all())


def test_an_image_passes_or_not_whatever_its_company() -> None:
    sieve, own = _fitted(), images(generator(), 10, 4)[1]
    assert torch.allclose(sieve(own)[3:5], sieve(own[3:5]))


def test_small_images_have_no_look() -> None:
    assert can_sieve((3, 8, 8))
    assert not can_sieve((3, 7, 64))
    assert not can_sieve((12,))
