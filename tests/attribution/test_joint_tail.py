"""The tail of both witnesses together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flipad_ops.attribution.joint_tail import JOINED, Followed, JointTail, both


def _followed(draw: np.random.Generator, count: int, followed: int, shared: float) -> Followed:
    """Foreign images of two witnesses who err alike by `shared`; the nearest are followed."""
    common = draw.exponential(size=count)
    far = np.stack([4 - common * shared - draw.exponential(size=count) / 2,
                    15 - 3 * common * shared - draw.exponential(size=count)], axis=1)  # fmt: skip
    rows = np.argsort(far[:, 1])[:followed]
    return Followed(far[rows], np.arange(count)[rows], np.ones(followed), count)


def _own(draw: np.random.Generator, count: int = 60) -> np.ndarray:
    return draw.normal((-1.0, -3.0), (0.4, 3.0), size=(count, 2))


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0], ids=["apart", "some", "much"])
def test_new_foreign_images_seldom_have_small_p(shared: float) -> None:
    """Whether or not both witnesses err alike."""
    draw, small, trials = np.random.default_rng(0), 0, 40
    for _ in range(trials):
        tail = JointTail.of(_own(draw), {"a": _followed(draw, 1000, 100, shared)}, 0)
        assert tail is not None
        new = _followed(draw, 20_000, 20_000, shared)
        small += int((tail.p(new.far) <= 1e-3).sum())
    assert small / (20_000 * trials) <= 1e-3


def test_own_images_are_far_beyond_the_empirical_floor() -> None:
    draw = np.random.default_rng(1)
    tail = JointTail.of(_own(draw), {"a": _followed(draw, 1000, 100, 0.3)}, 0)
    assert tail is not None
    assert np.quantile(tail.p(_own(draw, 200)), 0.9) < 1e-4
    assert tail.typical < 1e-5


def test_small_sources_are_joined_and_too_few_have_none() -> None:
    draw = np.random.default_rng(2)
    large, small = _followed(draw, 1000, 100, 0.3), _followed(draw, 12, 12, 0.3)
    tail = JointTail.of(_own(draw), {"a": large, "b": small}, 0)
    assert tail is not None
    assert sorted(tail.tails) == ["a", JOINED]
    assert JointTail.of(_own(draw), {"b": small}, 0) is None
    none = Followed(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0), 500)
    assert JointTail.of(_own(draw), {"b": none}, 0) is None
    nowhere = Followed(np.zeros((0, 0)), none.origins, none.weights, 500)
    beside = JointTail.of(_own(draw), {"a": large, "b": nowhere}, 0)
    assert beside is not None
    assert sorted(beside.tails) == ["a", JOINED]


def test_a_witness_that_tells_nothing_has_no_say() -> None:
    """Own images are farther than foreign ones by the first."""
    draw = np.random.default_rng(3)
    foreign = _followed(draw, 1000, 100, 0.0)
    own = _own(draw) + np.array([9.0, 0.0])
    tail = JointTail.of(own, {"a": foreign}, 0)
    assert tail is not None
    assert tail.weights[0] == 0
    assert tail.weights[1] > 0


def test_it_is_stored() -> None:
    draw = np.random.default_rng(4)
    tail = JointTail.of(_own(draw), {"a": _followed(draw, 1000, 100, 0.3)}, 0)
    assert tail is not None
    again = JointTail.stored(tail.config(), **tail.tensors())
    at = _own(draw, 9)
    np.testing.assert_allclose(again.p(at), tail.p(at))
    assert again.typical == tail.typical
    for config, weights in (({}, torch.ones(2)), (tail.config(), torch.ones(1, 2)),
                            ({"a": {"share": 1.0}}, torch.ones(2))):  # fmt: skip
        with pytest.raises((ValueError, KeyError)):
            JointTail.stored(config, weights, torch.ones(4))


def test_scores_of_nothing_and_of_everything_stay_finite() -> None:
    assert np.isfinite(both(np.array([[0.0, 1.0], [np.inf, 2.0]]), np.zeros(2))).all()
