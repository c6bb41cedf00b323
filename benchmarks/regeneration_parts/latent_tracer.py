"""LatentTracer: attribution by gradient-based latent inversion (Wang et al., ICML 2024).

The latent starts at the encoder's guess and is refined by Adam on the reconstruction's mean
squared error; an image whose final loss is below a threshold is called ours. Written from the
paper's description and its published settings for latent diffusion models (learning rate 0.05, 100
steps). No threshold is set here. Every image has its own loss and its own Adam state, so batches
change nothing but rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.regeneration_parts.aedr import Coder

RATE, STEPS = 0.05, 100


class LatentTracer:
    """`score(pixels)` for one decoder with its encoder.

    Parameters
    ----------
    encode : callable, pixels (n, channels, height, width) in [0, 1] to latents
    decode : callable, latents to pixels of that shape, about [0, 1]; differentiable
    rate, steps : float, int
        Of Adam.
    """

    name = "LatentTracer"

    def __init__(
        self,
        encode: Coder,
        decode: Coder,
        rate: float = RATE,
        steps: int = STEPS,
        batch: int = 20,
    ) -> None:
        self.encode, self.decode = encode, decode
        self.rate, self.steps, self.batch = rate, steps, batch

    def invert(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The refined latents, (n, *latent), and their losses, float64 (n,), pixels in [0, 1]."""
        latents, losses = [], []
        for some in torch.split(pixels, self.batch):
            with torch.no_grad():
                latent = self.encode(some).clone()
            latent.requires_grad_(True)
            optimiser = torch.optim.Adam([latent], lr=self.rate)
            for _ in range(self.steps):
                optimiser.zero_grad(set_to_none=True)
                _losses(self.decode(latent), some).sum().backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                losses.append(_losses(self.decode(latent), some).double())
            latents.append(latent.detach())
        return torch.cat(latents), torch.cat(losses)

    def score(self, pixels: Tensor) -> Tensor:
        """The final loss, float64 (n,), low means ours.

        Parameters
        ----------
        pixels : Tensor, float32, (n, channels, height, width) in [0, 1]
        """
        if not len(pixels):
            return torch.zeros(0, dtype=torch.float64)
        return self.invert(pixels)[1]


def _losses(made: Tensor, wanted: Tensor) -> Tensor:
    return (made - wanted).square().mean(dim=(1, 2, 3))
