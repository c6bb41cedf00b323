"""The nearest image that a generator can make of a found one, to be looked at.

Nothing is decided by it, and an attributor needs no second witness for it: the latent is guessed by
the model's own encoder or by a regression on own samples, and refined as the second witness refines
its own, the image as it is. Beside them new own images are sought alike: a distance means something
only next to theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.augmentation import can_perturb
from flipad_ops.attribution.scorer import Likeness
from flipad_ops.attribution.two_witnesses import at_once
from flipad_ops.common.errors import AttributorError
from flipad_ops.generators import SplitGenerator
from flipad_ops.regeneration.measures import decibels
from flipad_ops.regeneration.observation import PixelBox
from flipad_ops.regeneration.refinement import Guess, Search
from flipad_ops.regeneration.ridge_guess import ridge_guess, small
from flipad_ops.samples.png import to_uint8

#: Own samples by which latents are guessed; new ones that are sought as the found images are.
KNOWN, OWN = 2000, 8
#: Gradient steps, and images that take them together: few, so that one sees how far it is.
STEPS, TOGETHER = 300, 8
#: Longer than that nobody waits for pictures.
MINUTES = 30
SEED = 20_221  # of own samples

#: Called with (images done, in all).
Told = Callable[[int, int], None]


def why_no_likeness(generator: SplitGenerator) -> str:
    """Why no image can be sought by this generator, a sentence; "" if one can."""
    if not can_perturb(generator.sample_shape):
        return "Only grey and colour images are made again."
    return generator.why_not_differentiable


class Illustrator:
    """Seeks the nearest images that a generator makes.

    Parameters
    ----------
    generator : SplitGenerator

    Raises
    ------
    AttributorError
        None can be sought.
    """

    def __init__(self, generator: SplitGenerator) -> None:
        if why := why_no_likeness(generator):
            raise AttributorError(why)
        self.generator = generator
        latent = generator.latent
        drawn = latent.sample(latent.at_most(KNOWN + OWN), SEED)
        low, high, scale = latent.span(drawn)
        own = min(OWN, len(drawn) // 2)
        self._known, self._own = drawn[own:], drawn[:own]
        batch = at_once(generator, TOGETHER)
        self._search = Search(
            generator.pixels, latent.shape, low, high, scale, batch, latent.choices
        )

    def __call__(self, pixels: Tensor, told: Told = lambda done, of: None) -> list[Likeness]:
        """The likeness of each of (n, channels, height, width) pixels in [0, 1].

        Raises
        ------
        AttributorError
            It would take more than MINUTES here.
        """
        self._check_time(len(pixels))
        told(0, len(pixels) + len(self._own))
        ours = self.generator.grid.round(self._made(self._own)).cpu()
        every = torch.cat([pixels, ours])
        guess, found = self._guessed(every), []
        for rows in torch.split(torch.arange(len(every)), self._search.batch):
            found += self._nearest(guess[rows], every[rows])
            told(len(found), len(every))
        own = float(np.median([psnr for _, psnr in found[len(pixels) :]]))
        return [Likeness(image, psnr, own) for image, psnr in found[: len(pixels)]]

    def _nearest(self, latents: Tensor, pixels: Tensor) -> list[tuple[NDArray[np.uint8], float]]:
        n, device = len(pixels), self.generator.device
        far, none = torch.full((n,), torch.inf), torch.zeros(n, dtype=torch.int64)
        start = Guess(latents, torch.zeros(n, 3), none, far, far)
        start = Guess(*(part.to(device) for part in vars(start).values()))
        pixels = pixels.to(device)
        observed = PixelBox(pixels, float(self.generator.grid.step))
        start = self._search.settled(start, pixels, observed, False)
        with torch.enable_grad():
            end = self._search.refine(start, pixels, observed, False, STEPS)
        made = self._made(end.latents).to(device)
        apart = (made - pixels).square().flatten(1).mean(dim=1)
        psnr = (-decibels(apart)).tolist()
        return [(to_uint8(image), each) for image, each in zip(made, psnr, strict=True)]

    @torch.no_grad()
    def _guessed(self, pixels: Tensor) -> Tensor:
        encode, batch = self.generator.encode, self._search.batch
        if encode is not None:
            return torch.cat([encode(part).cpu() for part in torch.split(pixels, batch)])
        made = [small(self._made(part)) for part in torch.split(self._known, batch)]
        return ridge_guess(torch.cat(made).cpu(), self._known, small(pixels))

    @torch.no_grad()
    def _made(self, latents: Tensor) -> Tensor:
        return self.generator.pixels(latents.to(self.generator.device))

    def _check_time(self, images: int) -> None:
        clock = 0.0
        for _ in range(2):  # the first warms up
            clock = time.perf_counter()
            at = self._own[: self._search.batch].to(self.generator.device).requires_grad_()
            with torch.enable_grad():
                torch.autograd.grad(self.generator.pixels(at).sum(), at)
            clock = time.perf_counter() - clock
        looks = sum(map(len, self.generator.latent.choices))  # each a third of a step
        steps = (images + len(self._own)) * (STEPS + looks / 3) + len(self._known) / 3
        minutes = steps * clock / len(at) / 60
        if minutes > MINUTES:
            raise AttributorError(
                f"It would take about {minutes:.0f} minutes on {self.generator.device}, more than "
                f"{MINUTES}."
            )
