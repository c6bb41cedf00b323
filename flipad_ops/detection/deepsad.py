"""DeepSAD: deep semi-supervised anomaly detection (Ruff et al., ICLR 2020), as FLIPAD uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.common.errors import UsageError
from flipad_ops.detection.network import build_network

EPSILON = 1e-6
CENTRE_MARGIN = 0.1
#: Images are scored in padded chunks of one size, so that the kernels (and hence the last
#: bits of a score) do not depend on how many images came along.
SCORE_CHUNK = 16

EpochReport = Callable[[int, int, float], None]


@dataclass(frozen=True)
class DeepSadSettings:
    """Training settings; the defaults are the paper's but for the shorter schedule.

    Parameters
    ----------
    dim : int
        Embedding size (paper: 128; 32 for tables).
    eta : float
        Weight of labelled foreign samples.
    epochs, batch_size, learning_rate, weight_decay
        Adam; the rate falls tenfold at each of `milestones` (fractions of the epochs).
    """

    dim: int = 128
    eta: float = 1.0
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 5e-7
    milestones: tuple[float, ...] = (0.6, 0.85)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.dim < 1:
            raise UsageError("DeepSAD needs epochs >= 1, batch_size >= 2 and dim >= 1.")
        if not (self.learning_rate > 0 and self.eta > 0 and self.weight_decay >= 0):
            raise UsageError("DeepSAD needs positive learning_rate and eta, weight_decay >= 0.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "milestones": list(self.milestones)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DeepSadSettings:
        """Inverse of `to_dict`; absent fields keep their default, an unknown one is refused."""
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        if unknown:
            raise UsageError(f"Unknown detector setting {unknown[0]!r}.")
        if "milestones" in fields:
            fields = {**fields, "milestones": tuple(fields["milestones"])}
        return cls(**fields)


class DeepSad(nn.Module):
    """phi with its centre c; `forward` is the anomaly score `||phi(x) - c||^2`."""

    centre: Tensor

    def __init__(self, shape: tuple[int, ...], dim: int, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.network = build_network(shape, dim, seed)
        self.register_buffer("centre", torch.zeros(dim))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, *shape) to squared distances (batch,)."""
        embedding: Tensor = self.network(features)
        return (embedding - self.centre).square().sum(dim=1)

    @torch.no_grad()
    def score(self, features: Tensor) -> Tensor:
        """Like `forward`, without gradients and independent of the batch's size."""
        self.eval()
        return in_chunks(self, features)


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
