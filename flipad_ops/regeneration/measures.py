"""What a remade image leaves over, and what the found image shows, in dB.

A flat image is near to everything, a noisy or finely compressed one to nothing. So beside the
distance stand several measures of what is left over: the residual's energy, its smooth part and its
correlation between neighbours, which noise and compression hardly have; and how steeply the search
still came nearer when it ended, which it does towards own images and hardly towards others. And of
what the found image shows: its energy at three scales and its finest; and the noise of the lossy
file that it shows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.regeneration.observation import ROUNDING, Observation, PixelBox, file_noise

MEASURES = 11
#: Of these, the last are of the image alone.
SHOWN = 6
#: Which of them are the energy of the softened residual, and the image's variance.
COARSE, VARIANCE = 1, 8
#: dB that the last steps of a search bring at most; more, or no steps at all, count as so many.
STEEPEST = 10.0
#: Squared pixels added before logarithms: of energies, and of a correlation, whose noise is larger.
FLOOR, FLAT = 1e-9, 1e-6
#: Images looked at together.
TOGETHER = 256


def decibels(squared: Tensor, floor: float = FLOOR) -> Tensor:
    """Squared pixels in dB, float64."""
    return 10 * torch.log10(squared.double() + floor)


def soften(pixels: Tensor) -> Tensor:
    """Mean over 3x3 pixels, edges replicated."""
    return F.avg_pool2d(F.pad(pixels, (1,) * 4, mode="replicate"), 3, stride=1)


def flat(pixels: Tensor, observed: Observation) -> Tensor:
    """Images, (n,) bool, whose blurred copy is nearer than rounding is to what it rounds: whoever
    makes such an image makes it alike."""
    return blurred(pixels, observed) < 10 * math.log10(ROUNDING)


def which_flat(pixels: Tensor, step: float) -> Tensor:
    """`flat` of images stored in steps of `step`, (n,) bool, a few at a time."""
    parts = torch.split(pixels, TOGETHER)
    return torch.cat([flat(part, PixelBox(part, step)) for part in parts])


def blurred(pixels: Tensor, observed: Observation) -> Tensor:
    """What an image's own blurred copy costs, in dB, (n,) float64."""
    return decibels(observed.distance(soften(pixels)))


def measures(
    pixels: Tensor, remade: Tensor, observed: Observation, descent: Tensor, files: bool = True
) -> Tensor:
    """(n, MEASURES) float64, in dB; the first is the distance, the sixth `blurred`.

    Parameters
    ----------
    pixels, remade : Tensor, float32, (n, channels, height, width)
    descent : Tensor, float32, (n,)
        See `Guess`.
    files : bool
        Whether to look for traces of a lossy file, which takes milliseconds.
    """
    rest = pixels - remade
    soft = soften(pixels)
    softer = soften(soft)
    smooth = soften(rest)
    corners = pixels[..., 1:, 1:] - pixels[..., 1:, :-1] - pixels[..., :-1, 1:]
    corners = (corners + pixels[..., :-1, :-1]) / 2
    return torch.stack(
        [
            decibels(observed.distance(remade)),
            decibels(_energy(smooth)),
            decibels(_neighbours(rest).clamp_min(0), FLAT),
            decibels(_energy(soften(smooth))),
            descent.double().clamp(0, STEEPEST),
            blurred(pixels, observed),
            decibels(_energy(soft - softer)),
            decibels(_energy(corners)),
            decibels(pixels.flatten(1).var(dim=1)),
            decibels(_energy(softer - soften(soften(softer)))),
            decibels(file_noise(pixels, files)),
        ],
        dim=1,
    )


def _energy(x: Tensor) -> Tensor:
    return x.square().flatten(1).mean(dim=1)


def _neighbours(x: Tensor) -> Tensor:
    """Mean product of neighbouring pixels, (n,)."""
    right = (x[..., 1:] * x[..., :-1]).flatten(1).mean(dim=1)
    return (right + (x[..., 1:, :] * x[..., :-1, :]).flatten(1).mean(dim=1)) / 2
