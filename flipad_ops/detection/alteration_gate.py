"""Was an image altered on its way? The branch for altered images must take no others.

That branch accepts much: after compression or noise the traces that tell sibling versions apart are
gone. Left open to unaltered images it would take every sibling for its own. Whether an image was
altered is the easier question, and a small network on the same statistics answers it.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn

from flipad_ops.detection.recovered import Recovered
from flipad_ops.detection.statistics import StatisticsHead
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

HIDDEN, EPOCHS, PENALTY = 32, 60, 1e-2


class AlterationGate(View):
    """Log-odds of "unaltered" from statistics of activation and image.

    Parameters
    ----------
    shape, moments, count
        As of `StatisticsHead`.
    """

    name = "gate"
    needs_activations = True
    fnr = 0.05  # images that were hardly altered stay outside

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
        """Of the branch for altered images, on the statistics of its head."""
        head = material.fitted.get(StatisticsHead.name)
        if material.branch != "altered" or not isinstance(head, StatisticsHead):
            return None
        data = material.data
        altered, unaltered = data.own_altered + data.foreign_altered, data.own + data.foreign
        return fit_gate(head, altered, unaltered, material.settings.seed)

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        names = ("centre", "channels", "mean")
        centre, channels, mean = (stored.state[f"summary.{name}"] for name in names)
        return cls(tuple(centre.shape), len(channels), len(mean))


def fit_gate(
    head: StatisticsHead, altered: Recovered, unaltered: Recovered, seed: int
) -> AlterationGate:
    """Fit on images, own and foreign.

    Parameters
    ----------
    head : StatisticsHead
        Whose statistics, centre and scales to use.
    altered, unaltered : Recovered
    """
    gate = AlterationGate(tuple(head.centre.shape), len(head.channels), head.count)
    gate.summary.load_state_dict(head.state_dict())
    gate.to(head.mean.device)
    at = head.mean.device
    inputs = [
        torch.cat([head.inputs(z.to(at), x.to(at)) for z, x in part.chunks()]).cpu().numpy()
        for part in (altered, unaltered)
    ]
    labels = np.r_[np.zeros(len(inputs[0])), np.ones(len(inputs[1]))]
    model = MLPClassifier((HIDDEN,), alpha=PENALTY, max_iter=EPOCHS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs are enough
        model.fit(np.concatenate(inputs), labels)
    with torch.no_grad():
        for layer, weight, bias in zip(
            (gate.hidden, gate.last), model.coefs_, model.intercepts_, strict=True
        ):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    return gate.eval().requires_grad_(False)
