"""What a report shows of a finding beside its pixels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from flipad_ops.scanning.outcome.exhibits import unexplained
from tests.scanning.fakes import DarkIsOurs


class OnlyInverts(DarkIsOurs):
    """In parts; asked for more than an inversion it would search for the image again."""

    inversion_key = "one"

    def screen(self, pixels: Tensor) -> object:
        raise AssertionError("searched again for a picture")

    conclude = screen

    def invert(self, pixels: Tensor) -> object:
        return SimpleNamespace(residual=torch.full_like(pixels, -0.25))


def test_a_picture_takes_an_inversion_and_no_search() -> None:
    found = unexplained(OnlyInverts(), torch.zeros(1, 3, 8, 8))
    assert found is not None
    np.testing.assert_array_equal(found, np.full((8, 8), 0.25))
