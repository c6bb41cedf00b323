"""What came of making images again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.regeneration.refinement import NOTHING, SETTLED

#: Excess beyond which nothing more is said: e^18 is a ratio of 65 million.
FAR = 18.0


@dataclass(frozen=True, eq=False)
class Remade:
    """One entry per image.

    Parameters
    ----------
    excess : Tensor, float64, (n,)
        How far the remade image is from being near enough, see `Judge`; at most 0 means "our
        generator makes it". Of images dropped on the way, as far as they were followed.
    latents : Tensor, float32, (n, *latent_shape)
    where : Tensor, float32, (n, 3)
        Zoom and shift, see `alterations.place`; zero where none was needed.
    leeway : Tensor, float64, (n,)
        What the excess of a doubtful image may be, which another witness may support.
    side : Tensor, int64, (n,)
        See `alterations.resample`; zero for none.
    placed : Tensor, bool, (n,)
        Whether the nearest image went through zoom, shift and filter.
    distance, blurred : Tensor, float64, (n,)
        Mean squared distance of the remade image, and of the image's own blurred copy, in dB.
    descent : Tensor, float32, (n,)
        See `Guess`; 0 of images that were not searched.
    steps : Tensor, int64, (n,)
        Gradient steps spent.
    hopeless : Tensor, bool, (n,)
        Dropped at the guess.
    beyond : Tensor, float64, (n,)
        dB by which the image made again without zoom, shift and filter is farther than own images
        of such detail are; infinite where another one is nearer, or the search did not end.
    """

    excess: Tensor
    leeway: Tensor
    latents: Tensor
    where: Tensor
    side: Tensor
    placed: Tensor
    distance: Tensor
    blurred: Tensor
    descent: Tensor
    steps: Tensor
    hopeless: Tensor
    beyond: Tensor

    @classmethod
    def hopeless_ones(cls, count: int, shape: tuple[int, ...], device: torch.device) -> Remade:
        """Images that were not searched for, with latents of `shape`."""
        none = torch.zeros(count, dtype=torch.float64, device=device)
        no = torch.zeros(count, dtype=torch.int64, device=device)
        return cls(
            excess=none + FAR,
            leeway=none,
            latents=torch.zeros(count, *shape, device=device),
            where=torch.zeros(count, 3, device=device),
            side=no,
            placed=no.bool(),
            distance=none,
            blurred=none,
            descent=none.float(),
            steps=no,
            hopeless=~no.bool(),
            beyond=none + torch.inf,
        )

    def put(self, rows: Tensor, other: Remade) -> Remade:
        """With others for some images."""
        names = self.__dataclass_fields__
        return Remade(*(getattr(self, n).index_copy(0, rows, getattr(other, n)) for n in names))

    @property
    def converged(self) -> Tensor:
        """Whether more steps would bring little, (n,) bool."""
        return (self.descent <= SETTLED) | (self.distance <= 10 * math.log10(NOTHING))

    @property
    def ratio(self) -> Tensor:
        """`excess` as a positive number that is 1 at the threshold, (n,) float64."""
        return self.excess.clamp(-FAR, FAR).exp()

    def supported(self, other: Tensor) -> Tensor:
        """`ratio` with another witness's word, (n,) float64.

        A doubtful image is accepted where the other witness accepts it.

        Parameters
        ----------
        other : Tensor, float64, (n,)
            The other's score in units of its threshold.
        """
        doubtful = (self.excess - self.leeway).clamp(-FAR, FAR).exp()
        return torch.minimum(self.ratio, torch.maximum(doubtful, other.to(doubtful)))
