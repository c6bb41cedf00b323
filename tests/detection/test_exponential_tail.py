"""p-values beyond the smallest empirical one."""

from __future__ import annotations

import numpy as np

from flipad_ops.detection.exponential_tail import LEAST, SMALLEST, Tail


def _tail(values: np.ndarray, origins: np.ndarray | None = None, share: float = 1.0) -> Tail | None:
    """Of the largest `share` of a sample."""
    at = np.arange(len(values)) if origins is None else origins
    _, each, sizes = np.unique(at, return_inverse=True, return_counts=True)
    kept = values >= np.quantile(values, 1 - share)
    return Tail.of(values[kept], at[kept], 1 / sizes[each[kept]], len(sizes), 0)


def test_p_is_at_least_what_it_truly_is_far_beyond_the_sample() -> None:
    """Exponential and Gaussian values, whose tail is shorter: one in 20 bounds may fail."""
    draw, level, right = np.random.default_rng(0), 1e-6, {"exponential": 0, "normal": 0}
    for _ in range(200):
        tail = _tail(draw.exponential(2.0, 2000), share=0.1)
        assert tail is not None
        right["exponential"] += tail.p(np.array([-2 * np.log(level)]))[0] >= level
        tail = _tail(draw.normal(size=2000), share=0.1)
        assert tail is not None
        right["normal"] += tail.p(np.array([4.7534]))[0] >= level
    assert right["exponential"] >= 182
    assert right["normal"] == 200


def test_images_of_one_origin_do_not_make_it_sure() -> None:
    """Ten copies of each value say what one does."""
    values = np.random.default_rng(1).exponential(size=400)
    alone, copied = _tail(values), _tail(np.repeat(values, 10), np.repeat(np.arange(400), 10))
    assert alone is not None
    assert copied is not None
    assert np.isclose(copied.scale, alone.scale, rtol=0.05)
    assert np.isclose(copied.share, alone.share, rtol=0.05)
    assert copied.origins == alone.origins


def test_few_origins_have_no_tail() -> None:
    many = np.random.default_rng(2).exponential(size=1000)
    assert _tail(many, np.arange(1000) % (LEAST - 1)) is None
    none = np.zeros(0)
    assert Tail.of(none, none.astype(np.int64), none, 100, 0) is None


def test_before_its_start_nothing_is_said_and_nothing_smaller_than_is_believed() -> None:
    tail = _tail(np.random.default_rng(3).exponential(size=1000))
    assert tail is not None
    assert tail.p(np.array([-1.0, tail.start, 1e9])).tolist() == [1.0, 1.0, SMALLEST]
