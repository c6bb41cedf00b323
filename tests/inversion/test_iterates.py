"""When images are checked."""

from __future__ import annotations

import torch

from flipad_ops.inversion.solvers.iterates import RAREST, interval


def checks(every: int, most: int) -> list[int]:
    """Ages of the checks up to `most`."""
    ages = [0]
    while ages[-1] < most:
        ages.append(ages[-1] + int(interval(torch.tensor(ages[-1]), every)))
    return ages


def test_checks_grow_rarer_with_age() -> None:
    assert checks(10, 190) == [0, 10, 20, 30, 40, 60, 90, 130, 190]
    ages = torch.tensor(checks(10, 2000))
    assert bool((ages.diff().diff() >= 0).all())
    assert int(ages.diff().max()) == 10 * RAREST


def test_ages_of_a_batch_do_not_influence_each_other() -> None:
    ages = torch.tensor([0, 40, 130, 999])
    assert interval(ages, 10).tolist() == [int(interval(age, 10)) for age in ages]
