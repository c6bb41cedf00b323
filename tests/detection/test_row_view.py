"""The view of a table's rows: what a Linear layer's activation cannot tell."""

from __future__ import annotations

import torch

from flipad_ops.detection import DeepSadSettings, auc, fit_rows

SETTINGS = DeepSadSettings(dim=8, epochs=9, learning_rate=1e-3)


def rows(count: int, seed: int, sign: float) -> torch.Tensor:
    """Two columns with the same ranges, that go together or against each other."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, generator=source)
    mixed = torch.stack([x[:, 0], 0.9 * sign * x[:, 0] + 0.4 * x[:, 1]], dim=1)
    return (0.5 + mixed / 8).clamp(0, 1)


def test_it_tells_how_columns_go_together_and_repeats_itself() -> None:
    own, foreign = rows(400, 1, 1.0), rows(100, 2, -1.0)
    view = fit_rows(own, foreign, SETTINGS, seed=3)
    ours, theirs = view(rows(100, 4, 1.0)), view(rows(100, 5, -1.0))
    assert ours.dtype == torch.float64
    assert auc(ours.numpy(), theirs.numpy()) > 0.85
    again = fit_rows(own, foreign, SETTINGS, seed=3)
    assert torch.equal(again(foreign), view(foreign))
    assert torch.equal(view(foreign[:3]), view(foreign)[:3])  # whatever came along
