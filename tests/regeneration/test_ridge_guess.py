"""Latents by one linear solve."""

from __future__ import annotations

import torch

from flipad_ops.regeneration.ridge_guess import SIDE, ridge_guess, small
from tests.regeneration.small import LATENTS, generator, images


def test_own_images_are_guessed_nearer_than_by_the_mean() -> None:
    network = generator()
    known, made = images(network, 400, seed=1)
    latents, found = images(network, 50, seed=2)
    guess = ridge_guess(small(made), known, small(found))
    assert guess.shape == (50, LATENTS)
    assert guess.dtype == torch.float32
    assert (guess - latents).square().mean() < 0.5 * latents.square().mean()
    with torch.no_grad():
        again = (network(guess) - found).square().mean()
    assert again < 0.5 * (found - made.mean(dim=0)).square().mean()


def test_latents_keep_their_shape_and_images_alike_give_their_mean() -> None:
    latents = torch.arange(24.0).reshape(2, 3, 4, 1)
    flat = torch.full((2, 5), 0.5)
    guess = ridge_guess(flat, latents, flat[:1])
    assert torch.equal(guess[0], latents.mean(dim=0))


def test_copies_are_small() -> None:
    assert small(torch.rand(2, 3, 100, 16)).shape == (2, 3 * SIDE * 16)
