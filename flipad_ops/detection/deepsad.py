"""DeepSAD: deep semi-supervised anomaly detection (Ruff et al., ICLR 2020), as FLIPAD uses it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flipad_ops.detection.deepsad_settings import DeepSadSettings
from flipad_ops.detection.network import build_network
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Inputs, Stored, View

EPSILON = 1e-6
CENTRE_MARGIN = 0.1
#: Images are scored in padded chunks of one size, so that the kernels (and hence the last
#: bits of a score) do not depend on how many images came along.
SCORE_CHUNK = 16

EpochReport = Callable[[int, int, float], None]


class DeepSad(View):
    """phi with its centre c; `forward` is the anomaly score `||phi(x) - c||^2`.

    `losses` are the mean losses of the training's epochs; they are not stored.
    """

    name = "deepsad"
    needs_activations = True
    centre: Tensor

    def __init__(self, shape: tuple[int, ...], dim: int, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.losses: list[float] = []
        self.network = build_network(shape, dim, seed)
        self.register_buffer("centre", torch.zeros(dim))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, *shape) to squared distances (batch,)."""
        embedding: Tensor = self.network(features)
        return (embedding - self.centre).square().sum(dim=1)

    @torch.no_grad()
    def distance(self, features: Tensor) -> Tensor:
        """Like `forward`, without gradients and independent of the batch's size."""
        self.eval()
        return in_chunks(self, features)

    def score(self, inputs: Inputs) -> Tensor:
        """See `View`."""
        return self.distance(inputs.features).double()

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """Of images as made, the only ones whose features it separates."""
        if material.branch != "as_made":
            return None
        features, settings = material.features, material.settings
        model, _ = train_deepsad(
            features.of(material.own),
            features.of(material.foreign),
            settings.deepsad,
            seed=settings.seed,
            device=settings.device,
            report=lambda epoch, epochs, _: material.report(epoch, epochs),
        )
        return model

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        return cls(stored.feature_shape, stored.dim)


def in_chunks(score: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """`score` of (n, ...) inputs, (n,), in padded chunks of SCORE_CHUNK."""
    scores = []
    for chunk in torch.split(inputs, SCORE_CHUNK):
        padded = chunk.new_zeros(SCORE_CHUNK, *chunk.shape[1:])
        padded[: len(chunk)] = chunk
        scores.append(score(padded)[: len(chunk)])
    return torch.cat(scores)


def train_deepsad(
    own: Tensor,
    foreign: Tensor,
    settings: DeepSadSettings,
    *,
    seed: int,
    device: str = "cpu",
    report: EpochReport | None = None,
) -> tuple[DeepSad, list[float]]:
    """Train on own and labelled foreign features.

    Parameters
    ----------
    own, foreign : Tensor, float32, (n, *shape)
    settings : DeepSadSettings
    seed : int
        Fixes initial weights and batch order.
    report : callable(epoch, epochs, loss), optional

    Returns
    -------
    model : DeepSad
        On `device`, in evaluation mode.
    losses : list of float
        Mean loss of each epoch.
    """
    model = DeepSad(tuple(own.shape[1:]), settings.dim, seed).to(device)
    features = torch.cat([own, foreign])
    is_own = torch.cat(
        [torch.ones(len(own), dtype=torch.bool), torch.zeros(len(foreign), dtype=torch.bool)]
    )
    model.centre.copy_(_initial_centre(model, own, settings.batch_size, device))
    optimiser = torch.optim.Adam(
        model.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = sorted({max(1, round(m * settings.epochs)) for m in settings.milestones})
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, steps)
    order = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    for epoch in range(settings.epochs):
        model.train()
        total, count = 0.0, 0
        shuffled = torch.randperm(len(features), generator=order)
        for batch in torch.split(shuffled, settings.batch_size):
            if len(batch) < 2:  # batch norm needs two
                continue
            distance = model(features[batch].to(device))
            own_here = is_own[batch].to(device)
            loss = torch.where(own_here, distance, settings.eta / (distance + EPSILON)).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total, count = total + float(loss.detach()) * len(batch), count + len(batch)
        schedule.step()
        losses.append(total / max(count, 1))
        if report is not None:
            report(epoch + 1, settings.epochs, losses[-1])
    model.losses = losses
    return model.eval(), losses


@torch.no_grad()
def _initial_centre(model: DeepSad, own: Tensor, batch_size: int, device: str) -> Tensor:
    model.eval()
    total = torch.zeros_like(model.centre)
    for chunk in torch.split(own, batch_size):
        total += model.network(chunk.to(device)).sum(dim=0)
    centre = total / len(own)
    sign = torch.where(centre < 0, -1.0, 1.0)
    return torch.where(centre.abs() < CENTRE_MARGIN, sign * CENTRE_MARGIN, centre)
