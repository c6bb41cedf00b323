from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.attribution.foreign_images import (
    MIN_PER_SOURCE,
    ForeignImages,
    ForeignSplit,
    split_foreign,
)
from flipad_ops.common.errors import DataError, NegativesTooFew


def numbered(count: int, groups: list[str] | None = None) -> ForeignImages:
    """Images that are their own index."""
    return ForeignImages(torch.arange(count, dtype=torch.float32)[:, None, None, None], groups)


def rows(split: ForeignSplit) -> tuple[list[int], list[int], list[int]]:
    train, calibration, test = (
        part.flatten().int().tolist() for part in (split.train, split.calibration, split.test)
    )
    return train, calibration, test


def split_one(source: ForeignImages, maximum: int = 10_000, seed: int = 0) -> ForeignSplit:
    return split_foreign({"a": source}, minimum=10, maximum=maximum, seed=seed)["a"]


@given(st.integers(MIN_PER_SOURCE, 300), st.integers(10, 400), st.integers(0, 9))
def test_parts_are_disjoint_capped_and_in_proportion(count: int, cap: int, seed: int) -> None:
    split = split_one(numbered(count), cap, seed)
    parts = rows(split)
    together = [row for part in parts for row in part]
    used = max(MIN_PER_SOURCE, min(count, cap))
    assert len(set(together)) == len(together) == used
    assert set(together) <= set(range(count))
    for part, share in zip(parts, (0.5, 0.25, 0.25), strict=True):
        assert abs(len(part) - share * used) <= 1
    assert split.grouped


@given(
    st.lists(st.integers(1, 20), min_size=3, max_size=30).filter(
        lambda sizes: sum(sizes) >= MIN_PER_SOURCE
    ),
    st.integers(12, 200),
    st.integers(0, 9),
)
def test_a_group_never_leaks_unless_it_is_said(sizes: list[int], cap: int, seed: int) -> None:
    groups = [f"photo {index}" for index, size in enumerate(sizes) for _ in range(size)]
    split = split_one(numbered(len(groups), groups), cap, seed)
    parts = rows(split)
    assert all(parts)
    together = [row for part in parts for row in part]
    assert len(set(together)) == len(together) == max(MIN_PER_SOURCE, min(len(groups), cap))
    owners = [{groups[row] for row in part} for part in parts]
    leaks = owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]
    assert not (split.grouped and leaks)
    if cap >= len(groups):  # nothing capped away: three groups suffice to keep them whole
        assert split.grouped


@given(st.integers(3, 30), st.integers(1, 9), st.integers(0, 9))
def test_parts_know_the_origins_of_their_images(names: int, each: int, seed: int) -> None:
    """Sources too: no number stands for origins of two of them."""
    count = max(names * each, MIN_PER_SOURCE)
    groups = [f"photo {index % names}" for index in range(count)]
    sources = {"a": numbered(count, groups), "b": numbered(40), "c": numbered(count, groups)}
    splits = split_foreign(sources, minimum=10, maximum=10_000, seed=seed)
    owners = []
    for name in ("a", "c"):
        split = splits[name]
        assert split.origins == names
        _, calibration, test = rows(split)
        for part, origins in ((calibration, split.calibration_origins), (test, split.test_origins)):
            known = dict(zip((groups[row] for row in part), origins.tolist(), strict=True))
            assert len(set(known.values())) == len(known)
            assert [known[groups[row]] for row in part] == origins.tolist()
            owners.append(set(origins.tolist()))
    owners.append(set(splits["b"].test_origins.tolist()))
    assert len(owners[-1]) == len(splits["b"].test) == 10
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_large_origins_come_into_every_part() -> None:
    """Which part an origin comes into does not depend on how many images it has."""
    groups = ["large"] * 30 + [f"small {index}" for index in range(30)]
    at = [
        next(
            k
            for k, part in enumerate(rows(split_one(numbered(60, groups), seed=seed)))
            if 0 in part
        )
        for seed in range(60)
    ]
    assert min(at.count(part) for part in range(3)) >= 5


def test_groups_keep_the_shares_close() -> None:
    groups = [str(index // 5) for index in range(200)]
    sizes = [len(part) for part in rows(split_one(numbered(200, groups)))]
    assert sizes == [100, 50, 50]


@pytest.mark.parametrize("names", [1, 2])
def test_too_few_groups_are_split_and_flagged(names: int) -> None:
    split = split_one(numbered(40, [str(index % names) for index in range(40)]))
    assert not split.grouped
    assert [len(part) for part in rows(split)] == [20, 10, 10]


def test_sources_share_evenly_and_small_ones_leave_the_rest() -> None:
    sources = {"big": numbered(500), "huge": numbered(900), "small": numbered(20)}
    splits = split_foreign(sources, minimum=10, maximum=200, seed=0)
    used = {name: sum(map(len, rows(split))) for name, split in splits.items()}
    assert used == {"big": 90, "huge": 90, "small": 20}


def test_many_sources_keep_their_least_even_above_the_maximum() -> None:
    sources = {str(index): numbered(30) for index in range(20)}
    splits = split_foreign(sources, minimum=10, maximum=100, seed=0)
    assert [sum(map(len, rows(split))) for split in splits.values()] == [MIN_PER_SOURCE] * 20


def test_what_is_left_over_calibrates() -> None:
    sources = {"big": numbered(500), "small": numbered(30)}
    splits = split_foreign(sources, minimum=10, maximum=80, seed=0, more=100)
    assert [len(part) for part in rows(splits["big"])] == [25, 12 + 100, 13]
    assert [len(part) for part in rows(splits["small"])] == [15, 7, 8]
    together = [row for part in rows(splits["big"]) for row in part]
    assert len(set(together)) == len(together)
    before = split_foreign(sources, minimum=10, maximum=80, seed=0)
    assert rows(before["big"])[0] == rows(splits["big"])[0]
    assert rows(before["big"])[2] == rows(splits["big"])[2]


def test_what_is_left_over_belongs_to_no_group_of_training_or_test() -> None:
    groups = [str(index // 5) for index in range(400)]
    split = split_foreign({"a": numbered(400, groups)}, minimum=10, maximum=60, seed=3, more=1000)[
        "a"
    ]
    train, calibration, test = ({groups[row] for row in part} for part in rows(split))
    assert split.grouped
    assert len(split.calibration) > 60
    assert not calibration & (train | test)


def test_seed_fixes_the_split() -> None:
    assert rows(split_one(numbered(50), seed=1)) == rows(split_one(numbered(50), seed=1))
    assert rows(split_one(numbered(50), seed=1)) != rows(split_one(numbered(50), seed=2))


def test_too_few() -> None:
    with pytest.raises(NegativesTooFew, match="at least 100 foreign images; 60 were given"):
        split_foreign({"a": numbered(30), "b": numbered(30)}, minimum=100, maximum=200, seed=0)
    with pytest.raises(NegativesTooFew, match="at least 10 foreign images; 0 were given"):
        split_foreign({}, minimum=10, maximum=200, seed=0)
    with pytest.raises(NegativesTooFew, match="Source 'b' has 11 foreign images"):
        split_foreign({"a": numbered(90), "b": numbered(11)}, minimum=10, maximum=200, seed=0)


def test_groups_must_match_the_images() -> None:
    with pytest.raises(DataError, match="2 groups were given for 3 images"):
        numbered(3, ["a", "b"])
