"""Framing with the generator itself: foreign images made anew by it.

Who has the weights need not perturb anything. Through the final layer alone, any image can be made
anew almost exactly; through the whole generator, only something that looks like it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flipad_ops.generators import LatentSpec, OutputMap, quantise

RATE, RESTARTS = 0.05, 4


def project(
    network: nn.Module, latent: LatentSpec, output_map: OutputMap, images: Tensor, steps: int,
    seed: int,
) -> Tensor:  # fmt: skip
    """The generator's own image nearest to each, by Adam over latents from several starts.

    Parameters
    ----------
    network : Module
        Latents to outputs (n, *sample_shape) in the range of `output_map`; without gradients.
    images : Tensor, float32, (n, *sample_shape) in [0, 1]

    Returns
    -------
    Tensor, float32, (n, *sample_shape) in [0, 1], on the 8-bit grid
        Samples of the generator in every respect but how their latent was found.
    """
    shape = images.shape[1:]
    wanted = images.repeat_interleave(RESTARTS, dim=0)
    with torch.enable_grad():
        latents = latent.sample(len(wanted), seed).requires_grad_()
        optimiser = torch.optim.Adam([latents], lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            output = network(latents).reshape(wanted.shape)
            error = (output - output_map.to_output(wanted)).square().flatten(1).sum(dim=1)
            # Latents stay as likely as the generator's own: a small pull to their prior.
            loss = (error + 1e-2 * latents.square().flatten(1).sum(dim=1)).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        made = quantise(output_map.to_pixels(network(latents).reshape(wanted.shape)))
    error = (made - wanted).square().flatten(1).sum(dim=1).reshape(len(images), RESTARTS)
    rows = torch.arange(len(images)) * RESTARTS + error.argmin(dim=1)
    return made[rows].reshape(len(images), *shape)


def blend(images: Tensor, made: Tensor, share: float) -> Tensor:
    """`share` of the generator's image, the rest of the foreign one; on the 8-bit grid."""
    return quantise(torch.lerp(images, made, share))
