"""One score from several views, and from branches that expect images as they are or altered.

Within a branch an image is as foreign as its most foreign view says; of the branches the one that
takes it for its own counts. A fit makes one for images as made and one for images out of lossy
files, whose pixels tell which they are: a detector that has to accept compressed own images cannot
at once be strict about the fine traces that tell a sibling version from its own. Attributors of
earlier versions may hold another, for altered images; see `alteration_gate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flipad_ops.detection.calibration import threshold_at_fnr
from flipad_ops.detection.lossy_traces import lossy_trace
from flipad_ops.detection.view import Inputs, View

_TINY = 1e-12


class Branch(nn.Module):
    """Views fitted to one kind of own images, each on the scale of its own threshold.

    Parameters
    ----------
    views : sequence of View
        At least one, each of another name.
    """

    scales: Tensor

    def __init__(self, views: Sequence[View]) -> None:
        super().__init__()
        self.named = {view.name: view for view in views}
        for name, view in self.named.items():
            self.add_module(name, view)
        self.register_buffer("scales", torch.ones(len(views), dtype=torch.float64))

    def views(self, features: Tensor, activations: Tensor, pixels: Tensor) -> Tensor:
        """Unscaled scores (n, count), float64; see `Detector.views`."""
        inputs = Inputs(features, activations, pixels)
        return torch.stack([view.score(inputs) for view in self.named.values()], dim=1)

    def combine(self, views: Tensor) -> Tensor:
        """(n, count) to anomaly scores (n,), float64: the largest, in units of its threshold."""
        return (views / self.scales.to(views)).amax(dim=1)

    def of_pixels(self, pixels: Tensor) -> Tensor:
        """Scores (n,), float64, of a branch whose views need no activation."""
        return self.beyond(self.screen(_alone(pixels)), pixels)

    def screen(self, inputs: Inputs) -> Tensor:
        """What views that screen say, (n,) float64: a lower bound of the branch's score."""
        pixels = inputs.pixels
        nothing = torch.zeros(len(pixels), dtype=torch.float64, device=pixels.device)
        return self._most(nothing, inputs, screens=True)

    def beyond(self, screened: Tensor, pixels: Tensor) -> Tensor:
        """`of_pixels` where `screen` gave `screened`, (n,): asks the other views alone."""
        return self._most(screened, _alone(pixels), screens=False)

    def _most(self, least: Tensor, inputs: Inputs, screens: bool) -> Tensor:
        for view, scale in zip(self.named.values(), self.scales.to(least.device), strict=True):
            if view.screens == screens and len(least):
                least = torch.maximum(least, view.score(inputs) / scale)
        return least

    def calibrate(self, own_views: NDArray[np.float64], fnr: float) -> None:
        """Put all views on one scale: 1 is each one's threshold on held-out own samples.

        Parameters
        ----------
        own_views : (n, count) float64
        fnr : float
            Tolerable false negative rate of each.
        """
        scales = [max(threshold_at_fnr(column, fnr), _TINY) for column in own_views.T]
        self.scales.copy_(torch.tensor(scales, dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class Screen:
    """What pixels alone decide, one entry an image.

    Parameters
    ----------
    score : Tensor, float64, (n,)
        A lower bound of the score.
    decided : Tensor, bool, (n,)
        Where it is the score, or serves as it.
    recompressed : Tensor, bool, (n,)
        Where the image shows the trace of a lossy file and some branch might accept it: then that
        branch's word counts which is for such files, whatever the others say.
    """

    score: Tensor
    decided: Tensor
    recompressed: Tensor


class Detector(nn.Module):
    """The least of its branches' scores; of images out of lossy files, another's.

    With one branch of DeepSAD alone and unit scale the score is DeepSAD's squared distance, as
    published. Where the images alone put every branch's score above `cutoff`, no activation is
    needed; a cutoff no smaller than the final threshold changes no decision.

    Parameters
    ----------
    branches : sequence of Branch
    lossy : Branch or None
        What decides on images that show the trace of a lossy file, by pixels alone; `lossy_scale`
        brings its threshold to the others'.
    """

    cutoff: Tensor
    lossy_scale: Tensor

    def __init__(self, branches: Sequence[Branch], lossy: Branch | None = None) -> None:
        super().__init__()
        self.branches, self.lossy = nn.ModuleList(branches), lossy
        self.register_buffer("lossy_scale", torch.tensor(1.0, dtype=torch.float64))
        self.register_buffer("cutoff", torch.tensor(torch.inf, dtype=torch.float64))

    @property
    def parts(self) -> list[Branch]:
        """The branches, typed."""
        return [part for part in self.branches if isinstance(part, Branch)]

    def places(self) -> Iterator[tuple[str, Branch]]:
        """Every branch with its place in `state_dict`."""
        yield from ((f"branches.{number}", part) for number, part in enumerate(self.parts))
        if self.lossy is not None:
            yield "lossy", self.lossy

    @torch.no_grad()
    def screen(self, pixels: Tensor, as_made: bool = False) -> Screen:
        """What (n, *sample_shape) pixels in [0, 1] decide without an activation.

        `as_made` takes no image for one out of a lossy file.
        """
        inputs = _alone(pixels)
        score = torch.stack([part.screen(inputs) for part in self.parts]).amin(dim=0)
        decided = score > self.cutoff.to(score)
        recompressed = torch.zeros_like(decided)
        if self.lossy is not None and not as_made:
            # From cheap to dear; of no interest where every branch refuses the image anyway.
            cutoff, scale = self.cutoff.to(score), self.lossy_scale.to(score)
            bound = self.lossy.screen(inputs)
            rows = ((bound / scale <= cutoff) | ~decided).nonzero()[:, 0]
            lossy = self.lossy.beyond(bound[rows], pixels[rows]) / scale
            open_still = (lossy <= cutoff) | ~decided[rows]
            rows, lossy = rows[open_still], lossy[open_still]
            traced = lossy_trace(pixels[rows])
            score[rows[traced]], recompressed[rows[traced]] = lossy[traced], True
        return Screen(score, decided | recompressed, recompressed)

    @torch.no_grad()
    def views(self, features: Tensor, activations: Tensor, pixels: Tensor) -> list[Tensor]:
        """Unscaled scores of each branch, (n, count) float64.

        Parameters
        ----------
        features : Tensor, (n, *feature_shape)
        activations : Tensor, (n, *activation_shape)
            What `features` were made from.
        pixels : Tensor, (n, *sample_shape) in [0, 1]
            What `activations` were recovered from.
        """
        return [part.views(features, activations, pixels) for part in self.parts]

    def combine(self, views: Sequence[Tensor]) -> Tensor:
        """Each branch's (n, count) to anomaly scores (n,), float64."""
        scores = [part.combine(own) for part, own in zip(self.parts, views, strict=True)]
        return torch.stack(scores).amin(dim=0)

    def apart(self, views: Sequence[Tensor]) -> Tensor:
        """Every view of every branch in units of its threshold, (n, views) float64."""
        every = zip(self.parts, views, strict=True)
        return torch.cat([own / part.scales.to(own) for part, own in every], dim=1)

    def score(self, features: Tensor, activations: Tensor, pixels: Tensor) -> Tensor:
        """Anomaly scores (n,), float64; low means "ours"."""
        return self.combine(self.views(features, activations, pixels))


def _alone(pixels: Tensor) -> Inputs:
    """For views that need no activation."""
    return Inputs(pixels, pixels, pixels)
