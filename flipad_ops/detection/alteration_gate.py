"""Was an image altered on its way? Read from attributors of earlier versions, fitted no more.

Their setting `immunised` made a branch for altered images, which accepts much: after compression or
noise the traces that tell sibling versions apart are gone. This view of that branch keeps unaltered
images out. The second witness (`flipad_ops.regeneration`) finds altered images in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flipad_ops.detection.statistics import StatisticsHead
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

HIDDEN = 32


class AlterationGate(View):
    """Log-odds of "unaltered" from statistics of activation and image.

    Parameters
    ----------
    shape, moments, count
        As of `StatisticsHead`.
    """

    name = "gate"
    needs_activations = True

    def __init__(self, shape: tuple[int, ...], moments: int, count: int) -> None:
        super().__init__()
        self.summary = StatisticsHead(shape, moments, count)
        self.hidden = nn.Linear(count, HIDDEN, dtype=torch.float64)
        self.last = nn.Linear(HIDDEN, 1, dtype=torch.float64)

    def forward(self, activations: Tensor, pixels: Tensor) -> Tensor:
        """(n, *shape) and their images to positive scores (n,), float64; low means altered."""
        inputs = self.summary.inputs(activations, pixels)
        hidden = torch.relu((inputs[:, None] * self.hidden.weight).sum(dim=2) + self.hidden.bias)
        odds = (hidden * self.last.weight[0]).sum(dim=1) + self.last.bias
        return nn.functional.softplus(odds)

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """No branch of a fit has one."""
        return None

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        names = ("centre", "channels", "mean")
        centre, channels, mean = (stored.state[f"summary.{name}"] for name in names)
        return cls(tuple(centre.shape), len(channels), len(mean))
