"""The gate of the branch for altered images."""

from __future__ import annotations

import torch

from flipad_ops.detection import Recovered, auc, fit_statistics
from flipad_ops.detection.alteration_gate import fit_gate
from tests.detection.test_fusion import activations, pixels


def test_gate_tells_altered_from_unaltered_and_repeats() -> None:
    own, foreign, images = activations(0.0, 1), activations(0.3, 2), pixels(1)
    head = fit_statistics(Recovered.held(own, images), Recovered.held(foreign, pixels(2)))

    def altered(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        return 1.5 * activations(0.0, seed), 0.5 * pixels(seed)

    def unaltered(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        return activations(0.0, seed), pixels(seed)

    pair = Recovered.held(*altered(3)), Recovered.held(*unaltered(4))
    gate = fit_gate(head, *pair, seed=0)
    low, high = gate(*altered(5)), gate(*unaltered(6))
    assert auc(low.numpy(), high.numpy()) > 0.99
    assert bool((low > 0).all())
    again = fit_gate(head, *pair, seed=0)
    assert torch.equal(again(*altered(5)), low)
    alone = gate(*(part[:1] for part in altered(5)))
    torch.testing.assert_close(alone, low[:1], rtol=1e-9, atol=0)
