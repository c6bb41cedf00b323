"""Latents, and what happened on the way, moved by gradient until the remade image is nearest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flipad_ops.regeneration.alterations import (
    ZOOM,
    apply_filter,
    best_filter,
    place,
    resample,
    smaller_sides,
)
from flipad_ops.regeneration.observation import Observation

Make = Callable[[Tensor], Tensor]
#: Adam's first steps: in units of the latents' deviation, and for zoom (log) and shift (pixels).
RATE, ZOOM_RATE, SHIFT_RATE = 0.05, 0.01, 0.1
FIRST, SECOND = 0.9, 0.99
#: The filter is fitted anew every so many steps.
FILTER_EVERY = 4
#: Converged: the last fifth of the steps brought less than so many dB, a twentieth.
SETTLED = 0.22
#: A stay at a smaller size must leave less than this share of the distance.
SHARE = 0.95
#: Squared pixels that count as nothing; that are added before a descent is taken in dB.
NOTHING, STILL = 1e-8, 1e-7


@dataclass(frozen=True, eq=False)
class Guess:
    """Where a search stands.

    Parameters
    ----------
    latents : Tensor, float32, (n, *latent_shape)
    where : Tensor, float32, (n, 3)
        See `alterations.place`.
    side : Tensor, int64, (n,)
        See `alterations.resample`.
    distance : Tensor, float32, (n,)
        See `Observation.distance`.
    descent : Tensor, float32, (n,)
        dB that the last fifth of the steps brought; infinite before the first.
    """

    latents: Tensor
    where: Tensor
    side: Tensor
    distance: Tensor
    descent: Tensor

    @property
    def converged(self) -> Tensor:
        """Whether more steps would bring little, (n,) bool."""
        return (self.descent <= SETTLED) | (self.distance <= NOTHING)

    def select(self, rows: Tensor | slice) -> Guess:
        """Of some images."""
        return Guess(*(each[rows] for each in self._parts()))

    def mixed(self, chosen: Tensor, other: Guess) -> Guess:
        """The other's where `chosen`, (n,) bool."""
        pairs = zip(self._parts(), other._parts(), strict=True)
        return Guess(
            *(torch.where(chosen.reshape(-1, *[1] * (a.dim() - 1)), b, a) for a, b in pairs)
        )

    def better(self, other: Guess) -> Guess:
        """The nearer of two, image by image."""
        return self.mixed(other.distance < self.distance, other)

    def put(self, rows: Tensor, other: Guess) -> Guess:
        """With other guesses for some images."""
        pairs = zip(self._parts(), other._parts(), strict=True)
        return Guess(*(a.index_copy(0, rows, b) for a, b in pairs))

    @classmethod
    def join(cls, guesses: list[Guess]) -> Guess:
        """Consecutive ones as one."""
        return cls(
            *(torch.cat(parts) for parts in zip(*(g._parts() for g in guesses), strict=True))
        )

    def _parts(self) -> tuple[Tensor, ...]:
        return self.latents, self.where, self.side, self.distance, self.descent


@dataclass(frozen=True, eq=False)
class Search:
    """What all searches of a generator have in common.

    Parameters
    ----------
    make : callable, (n, *latent_shape) to pixels (n, channels, height, width)
        Differentiable.
    shape : tuple of int
        Of a latent.
    low, high : float
        Between which latents may lie.
    scale : float
        Standard deviation of a latent's entries.
    batch : int
        Images refined together.
    choices : tuple of Tensor, (k, m) float32
        Of a flat latent's last entries, which no gradient moves: what m of them may be together.
    """

    make: Make
    shape: tuple[int, ...]
    low: float
    high: float
    scale: float
    batch: int = 32
    choices: tuple[Tensor, ...] = ()

    def shown(self, guess: Guess, pixels: Tensor, placed: bool) -> Tensor:
        """The remade images as they would have been found."""
        made = self.make(guess.latents)
        if not placed:
            return made
        made = resample(place(made, guess.where), guess.side)
        return apply_filter(made, best_filter(made, pixels))

    @torch.no_grad()
    def measured(self, guess: Guess, pixels: Tensor, observed: Observation, placed: bool) -> Guess:
        """`guess` with its distance."""
        return replace(guess, distance=observed.distance(self.shown(guess, pixels, placed)))

    @torch.no_grad()
    def settled(self, guess: Guess, pixels: Tensor, observed: Observation, placed: bool) -> Guess:
        """`guess` with its distance, and with the nearest of the choices, where there are any: a
        wrong class is a local minimum that no step leaves."""
        best = self.measured(guess, pixels, observed, placed)
        end = guess.latents.shape[1] - sum(known.shape[1] for known in self.choices)
        for known in self.choices:
            start, begin, end = best, end, end + known.shape[1]
            for values in known.to(guess.latents):
                latents = start.latents.clone()
                latents[:, begin:end] = values
                tried = self.measured(replace(start, latents=latents), pixels, observed, placed)
                best = best.better(tried)
        return best

    @torch.no_grad()
    def sized(self, guess: Guess, pixels: Tensor, observed: Observation) -> Guess:
        """`guess` with the stay at a smaller size that comes nearest, if it is nearer by SHARE."""
        at = place(self.make(guess.latents), guess.where)
        distances, known = [], smaller_sides(tuple(pixels.shape))
        for side in known:
            made = resample(at, torch.full_like(guess.side, side))
            distances.append(observed.distance(apply_filter(made, best_filter(made, pixels))))
        nearest, number = torch.stack(distances).min(dim=0)
        sides = torch.tensor(known, device=pixels.device)
        tried = replace(guess, side=sides[number], distance=nearest)
        return guess.mixed(nearest < SHARE * guess.distance, tried)

    def refine(
        self, guess: Guess, pixels: Tensor, observed: Observation, placed: bool, steps: int
    ) -> Guess:
        """Adam on gradients of unit length, its rate falling as a cosine; the nearest point found.

        Parameters
        ----------
        placed : bool
            Whether zoom, shift and filter are searched as well.
        """
        shape, n = guess.latents.shape, len(pixels)
        at = torch.cat([guess.latents.flatten(1), guess.where], dim=1).detach()
        rates = torch.full_like(at[:1], RATE * self.scale)
        rates[0, -3], rates[0, -2:] = ZOOM_RATE * placed, SHIFT_RATE * placed
        mean, square = torch.zeros_like(at), torch.zeros_like(at)
        best, nearest = at.clone(), torch.full((n,), torch.inf, device=at.device)
        before, taps = nearest, torch.empty(0)
        for step in range(steps):
            at.requires_grad_(True)
            made = self.make(at[:, :-3].reshape(shape))
            if placed:
                made = resample(place(made, at[:, -3:]), guess.side)
                if step % FILTER_EVERY == 0:
                    taps = best_filter(made.detach(), pixels)
                made = apply_filter(made, taps)
            distance = observed.distance(made)
            (slope,) = torch.autograd.grad(distance.sum(), at)
            with torch.no_grad():
                at = at.detach()
                nearer = distance < nearest
                nearest = torch.where(nearer, distance, nearest)
                best[nearer] = at[nearer]
                if step == math.ceil(0.8 * steps) - 1:
                    before = nearest
                slope = slope * rates
                slope = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-12)
                mean = FIRST * mean + (1 - FIRST) * slope
                square = SECOND * square + (1 - SECOND) * slope.square()
                unit = mean / (1 - FIRST ** (step + 1))
                unit = unit / ((square / (1 - SECOND ** (step + 1))).sqrt() + 1e-8)
                at = at - rates * 0.5 * (1 + math.cos(math.pi * step / steps)) * unit
                at[:, :-3].clamp_(self.low, self.high)
                at[:, -3].clamp_(*ZOOM)
        nearest = nearest.detach()
        descent = 10 * torch.log10((before.detach() + STILL) / (nearest + STILL))
        return Guess(best[:, :-3].reshape(shape), best[:, -3:], guess.side, nearest, descent)
