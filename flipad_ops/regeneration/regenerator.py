"""Makes images again, dear steps only for those that cheap ones leave in question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.regeneration.alterations import (
    best_filter,
    compose,
    place,
    resample,
    undo_place,
)
from flipad_ops.regeneration.laps import insist
from flipad_ops.regeneration.measures import MEASURES, blurred, decibels, measures, which_flat
from flipad_ops.regeneration.observation import FileBox, Observation, compressed
from flipad_ops.regeneration.refinement import Guess, Search
from flipad_ops.regeneration.remade_batch import Remade
from flipad_ops.regeneration.trail import Trail
from flipad_ops.regeneration.witness_model import PLACED, PLAIN, WitnessModel

#: Pixels to latents (n, *latent_shape) and placement (n, 3).
Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
#: What is said of an image that was dropped, at least.
DROPPED = 6.0


@dataclass(frozen=True, eq=False)
class Regenerator:
    """Finds the latent whose image is nearest, and how it was altered.

    Networks run on `search.batch` images, or on the next power of two where there are fewer, filled
    up: an image's result depends on the others no more than by the last bits of a few sizes.

    Parameters
    ----------
    search : Search
    encode : callable
    model : WitnessModel
    step : float
        Between neighbouring stored values of pixels.
    first_steps, steps : int
        Gradient steps of a first look and of the rest; 0 and 0 without gradients.
    rich : bool
        Whether latents can make what compression, noise or resizing left in pixels. Then the image
        has to be made as it is, or, where it shows a JPEG file, within that file's own boxes.
    """

    search: Search
    encode: Encode
    model: WitnessModel
    step: float
    first_steps: int
    steps: int
    rich: bool = False

    def remake(self, pixels: Tensor) -> Remade:
        """Make images again.

        Parameters
        ----------
        pixels : Tensor, float32, (n, channels, height, width) in [0, 1]
        """
        rows = self.promising(pixels).nonzero()[:, 0]
        remade = Remade.hopeless_ones(len(pixels), self.search.shape, pixels.device)
        return remade.put(rows, self.searched(pixels[rows])) if len(rows) else remade

    def promising(self, pixels: Tensor) -> Tensor:
        """Which images, (n,) bool, are worth a search."""
        kept, sieve = ~self.flat(pixels), self.model.sieve
        return kept if sieve is None else kept & (sieve(pixels) <= 0)

    def searched(self, pixels: Tensor) -> Remade:
        """`remake` without the sieve, n > 0."""
        trail = self.begin(pixels)
        ways = [trail.may_go(way, self.rich) for way in (PLAIN, PLACED)]
        hopeful = self.keep(trail, PLAIN, 0, ways[0]) | self.keep(trail, PLACED, 0, ways[1])
        hopeless = ~hopeful
        for way, may in enumerate(ways):
            chosen = hopeful & may
            if self.placed(way):  # what is explained as it is needs no alteration
                chosen = chosen & (trail.excess[PLAIN] > 0)
                self.carry_over(trail, chosen)
            self.follow(trail, way, chosen, self.first_steps)
            left = self.keep(trail, way, 1, chosen)
            if self.placed(way):
                self.resize(trail, left)
            self.follow(trail, way, left, self.steps)
            measured = insist(self, trail, way, left)
            rows = left.nonzero()[:, 0]
            trail.excess[way, rows] = self.model.judge(way)(measured)
            if way == PLAIN:
                trail.beyond[rows] = self.model.judge(way).beyond(measured)
        return self.concluded(trail, hopeless)

    def begin(self, pixels: Tensor) -> Trail:
        """The encoder's guesses."""
        rows = torch.arange(len(pixels), device=pixels.device)
        quality = compressed(pixels) if self.rich else torch.zeros_like(rows)

        def observed(chosen: Tensor) -> Observation:
            return self.observed(pixels[chosen], quality[chosen])

        plain = self._batched(rows, lambda part: self._guessed(pixels[part], observed(part)))
        placed = plain
        if not self.rich:
            placed = self._batched(
                rows,
                lambda part: self._guessed_placed(pixels[part], observed(part), plain.select(part)),
            )
        plain = replace(plain, where=torch.zeros_like(plain.where))
        parts = torch.split(rows, self.search.batch)
        soft = torch.cat([blurred(pixels[part], observed(part)) for part in parts])
        excess = torch.full((2, len(pixels)), torch.inf, dtype=torch.float64, device=pixels.device)
        steps, beyond = torch.zeros_like(rows), torch.full_like(excess[0], torch.inf)
        return Trail(pixels, quality, soft, [plain, placed], excess, steps, beyond)

    def keep(self, trail: Trail, way: int, stage: int, chosen: Tensor) -> Tensor:
        """Which of the chosen images, (n,) bool, may yet get there; of the others the trail says
        how far off they were."""
        rows = chosen.nonzero()[:, 0]
        beyond = self.model.passes(way, stage)(self.measured(trail, way, chosen, False))
        trail.excess[way, rows] = DROPPED + beyond.clamp_min(0)
        kept = torch.zeros_like(chosen)
        kept[rows] = beyond <= 0
        return kept

    def follow(self, trail: Trail, way: int, chosen: Tensor, steps: int) -> None:
        """Take so many steps with the chosen images, (n,) bool."""
        rows = chosen.nonzero()[:, 0]
        if not len(rows) or not steps:
            return
        guess = trail.guesses[way]

        def refined(part: Tensor) -> Guess:
            pixels, observed = self._found(trail, part)
            return self.search.refine(guess.select(part), pixels, observed, self.placed(way), steps)

        trail.guesses[way] = guess.put(rows, self._batched(rows, refined))
        trail.steps[rows] += steps

    def resize(self, trail: Trail, chosen: Tensor) -> None:
        """Look among smaller sizes that the chosen images may have had."""
        rows = chosen.nonzero()[:, 0]
        if not len(rows):
            return
        placed = trail.guesses[PLACED]

        def sized(part: Tensor) -> Guess:
            return self.search.sized(placed.select(part), *self._found(trail, part))

        trail.guesses[PLACED] = placed.put(rows, self._batched(rows, sized))

    def carry_over(self, trail: Trail, chosen: Tensor) -> None:
        """Where the plain search came nearer than the guess of a placement, start there."""
        rows = chosen.nonzero()[:, 0]
        if not len(rows):
            return
        plain, placed = trail.guesses

        def measured(part: Tensor) -> Guess:
            return self.search.measured(plain.select(part), *self._found(trail, part), True)

        start = self._batched(rows, measured)
        trail.guesses[PLACED] = placed.put(rows, placed.select(rows).better(start))

    @torch.no_grad()
    def measured(self, trail: Trail, way: int, chosen: Tensor, files: bool = True) -> Tensor:
        """`measures` of the chosen images, (chosen, MEASURES) float64."""
        parts = [torch.empty(0, MEASURES, dtype=torch.float64, device=trail.pixels.device)]
        for rows in torch.split(chosen.nonzero()[:, 0], self.search.batch):
            if not len(rows):
                continue
            whole = self._filled(rows)
            pixels, observed = self._found(trail, whole)
            guess = trail.guesses[way].select(whole)
            shown = self.search.shown(guess, pixels, self.placed(way))
            parts.append(measures(pixels, shown, observed, guess.descent, files)[: len(rows)])
        return torch.cat(parts)

    def concluded(self, trail: Trail, hopeless: Tensor) -> Remade:
        """What there is to say."""
        plain, placed = trail.excess
        first = plain <= placed
        best = trail.guesses[PLACED].mixed(first, trail.guesses[PLAIN])
        return Remade(
            excess=torch.minimum(plain, placed),
            leeway=torch.where(first, self.model.leeway(PLAIN), self.model.leeway(PLACED)),
            latents=best.latents,
            where=best.where,
            side=best.side,
            placed=~first & self.placed(PLACED),
            distance=decibels(best.distance),
            blurred=trail.blurred,
            descent=best.descent,
            steps=trail.steps,
            hopeless=hopeless,
            beyond=torch.where(first, trail.beyond, torch.inf),
        )

    def placed(self, way: int) -> bool:
        """Whether zoom, shift and filter are searched for."""
        return way == PLACED and not self.rich

    def flat(self, pixels: Tensor) -> Tensor:
        """Which images, (n,) bool, have too little detail to tell anything."""
        return which_flat(pixels, self.step)

    def observed(self, pixels: Tensor, quality: Tensor) -> Observation:
        """What the images tell about those they were made of."""
        return FileBox(pixels, self.step, quality)

    def _found(self, trail: Trail, rows: Tensor) -> tuple[Tensor, Observation]:
        pixels = trail.pixels[rows]
        return pixels, self.observed(pixels, trail.quality[rows])

    @torch.no_grad()
    def filters(
        self, pixels: Tensor, remade: Remade, chosen: NDArray[np.bool_]
    ) -> dict[int, Tensor]:
        """By row, the filters (SIDE, SIDE) of chosen images that were searched with one."""
        taps = {}
        for row in (torch.from_numpy(chosen) & remade.placed.cpu()).nonzero()[:, 0].tolist():
            one = slice(row, row + 1)
            made = place(self.search.make(remade.latents[one]), remade.where[one])
            made = resample(made, remade.side[one])
            taps[row] = best_filter(made, pixels[one])[0]
        return taps

    @torch.no_grad()
    def _guessed(self, pixels: Tensor, observed: Observation) -> Guess:
        """The plain guess; `where` is the placement that goes with it."""
        latents, where = self.encode(pixels)
        far = torch.full((len(pixels),), torch.inf, device=pixels.device)
        none = torch.zeros_like(far, dtype=torch.int64)
        guess = Guess(latents, where, none, far, far)
        return self.search.settled(guess, pixels, observed, False)

    @torch.no_grad()
    def _guessed_placed(self, pixels: Tensor, observed: Observation, plain: Guess) -> Guess:
        where = plain.where
        placed = self.search.settled(plain, pixels, observed, True)
        if not bool(where.any()):
            return placed
        # Moved back, the image looks more like those that the encoder knows best.
        again, more = self.encode(undo_place(pixels, where))
        moved = replace(plain, latents=again, where=compose(where, more))
        return placed.better(self.search.settled(moved, pixels, observed, True))

    def _batched(self, rows: Tensor, call: Callable[[Tensor], Guess]) -> Guess:
        """`call` for `search.batch` rows at a time, the last filled up by its last row."""
        parts = []
        for chosen in torch.split(rows, self.search.batch):
            parts.append(call(self._filled(chosen)).select(slice(len(chosen))))
        return Guess.join(parts)

    def _filled(self, rows: Tensor) -> Tensor:
        whole = min(self.search.batch, 1 << (len(rows) - 1).bit_length())
        return torch.cat([rows, rows[-1:].expand(whole - len(rows))])
