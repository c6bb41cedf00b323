"""AEDR: attribution by an autoencoder's double reconstruction (Wang et al., AAAI 2026).

The image is reconstructed by the inspected model's autoencoder, and the reconstruction once more.
An own image loses about as little the first time as the second; a foreign one much more. The
attribution signal is the ratio of the two losses, each the mean squared error between a pass's
input and its output, times the image's homogeneity, which evens out what the ratio owes to smooth
content. Written from the paper's description and its published settings: no threshold is set here
(theirs is the 95% point of a kernel density estimate over own images), nothing is rounded or
clamped between the passes, pixels in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Coder = Callable[[Tensor], Tensor]

#: Grey levels of the co-occurrence matrix, each so many of 256.
LEVELS, _STEP = 32, 8
_LUMINANCE = (0.299, 0.587, 0.114)
#: A flat image may be reconstructed perfectly.
_LEAST = 1e-12


class Aedr:
    """`score(pixels)` for one autoencoder.

    Parameters
    ----------
    encode : callable, pixels (n, channels, height, width) in [0, 1] to latents
    decode : callable, latents to pixels of that shape, about [0, 1]
    calibrated : bool
        False leaves homogeneity out.
    """

    name = "AEDR"

    def __init__(
        self, encode: Coder, decode: Coder, calibrated: bool = True, batch: int = 16
    ) -> None:
        self.encode, self.decode = encode, decode
        self.calibrated, self.batch = calibrated, batch

    @torch.no_grad()
    def losses(self, pixels: Tensor) -> Tensor:
        """Both losses, float64 (n, 2), in units of pixels in [-1, 1].

        Parameters
        ----------
        pixels : Tensor, float32, (n, channels, height, width) in [0, 1]
        """
        found = []
        for some in torch.split(pixels, self.batch):
            first = self.decode(self.encode(some))
            second = self.decode(self.encode(first))
            pair = (_loss(first, some), _loss(second, first))
            found.append(torch.stack(pair, dim=1))
        return torch.cat(found) if found else torch.zeros(0, 2, dtype=torch.float64)

    def score(self, pixels: Tensor) -> Tensor:
        """float64 (n,), low means ours.

        Parameters
        ----------
        pixels : Tensor, float32, (n, channels, height, width) in [0, 1]
        """
        first, second = self.losses(pixels).clamp_min(_LEAST).unbind(dim=1)
        ratio = first / second
        return ratio * homogeneity(pixels) if self.calibrated else ratio


def homogeneity(pixels: Tensor) -> Tensor:
    """Homogeneity of the grey level co-occurrence matrix, float64 (n,), 1 for a flat image.

    Horizontal neighbours at distance one, both ways, 32 levels: the mean over pairs of
    1 / (1 + difference of levels squared).

    Parameters
    ----------
    pixels : Tensor, float32, (n, 1 or 3, height, width) in [0, 1]
    """
    bytes_ = (pixels.double() * 255).round()
    if pixels.shape[1] == 3:
        weights = torch.tensor(_LUMINANCE, dtype=torch.float64)
        grey = torch.einsum("nchw,c->nhw", bytes_, weights).round()
    else:
        grey = bytes_[:, 0]
    levels = (grey / _STEP).floor().clamp(0, LEVELS - 1)
    difference = levels[:, :, 1:] - levels[:, :, :-1]
    return (1 / (1 + difference.square())).mean(dim=(1, 2))


def _loss(made: Tensor, wanted: Tensor) -> Tensor:
    return 4 * (made.double() - wanted.double()).square().mean(dim=(1, 2, 3))
