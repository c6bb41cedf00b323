"""A view of a table's row itself: DeepSAD on its values, what `pixel` is to images.

A row has few values, so a Linear layer explains almost any of them exactly, and how the values go
together says more than the activation. Own rows cost no inversion here, so the view learns from
several times as many as the others.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from flipad_ops.detection.deepsad import DeepSad, train_deepsad
from flipad_ops.detection.deepsad_settings import DeepSadSettings
from flipad_ops.detection.features import STD_OFFSET
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

#: Own rows for each that is inverted for training; foreign ones are repeated as often.
MORE = 4
#: One epoch shows that many times more, and so many fewer are made.
FEWER_EPOCHS = 3


class RowView(View):
    """DeepSAD of a row's standardised values.

    Parameters
    ----------
    columns : int
    dim : int
        Size of the embedding.
    seed : int
        Of initial weights.
    """

    name = "row"
    mean: Tensor
    std: Tensor

    def __init__(self, columns: int, dim: int, seed: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))
        self.deepsad = DeepSad((columns,), dim, seed)

    def scaled(self, rows: Tensor) -> Tensor:
        """(n, columns) in [0, 1] in units of own rows' spread, float32."""
        return (rows * 2 - 1 - self.mean) / (self.std + STD_OFFSET)

    def forward(self, rows: Tensor) -> Tensor:
        """(n, columns) in [0, 1] to anomaly scores (n,), float64."""
        return self.deepsad.distance(self.scaled(rows)).double()

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """Of a table's rows, as made."""
        own, settings = material.data.own_rows, material.settings
        if material.branch != "as_made" or not len(own):
            return None
        return fit_rows(
            own, material.foreign_pixels, settings.deepsad,
            seed=settings.seed, device=settings.device,
        )  # fmt: skip

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        return cls(len(stored.state["mean"]), stored.dim)


def fit_rows(
    own: Tensor, foreign: Tensor, settings: DeepSadSettings, *, seed: int, device: str = "cpu"
) -> RowView:
    """Fit to own and foreign rows.

    Parameters
    ----------
    own, foreign : Tensor, float32, (n, columns) in [0, 1]
    settings : DeepSadSettings
        With the epochs of a training on `own` / MORE rows.
    seed : int
        Fixes initial weights and batch order.
    """
    view = RowView(own.shape[1], settings.dim, seed)
    view.mean.copy_((own * 2 - 1).mean(dim=0))
    view.std.copy_((own * 2 - 1).std(dim=0, unbiased=False))
    shorter = replace(settings, epochs=max(1, settings.epochs // FEWER_EPOCHS))
    repeated = view.scaled(foreign).repeat(MORE, 1)
    view.deepsad, _ = train_deepsad(view.scaled(own), repeated, shorter, seed=seed, device=device)
    return view.to(device).eval()
