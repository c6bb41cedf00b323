"""What is chosen from a listing, without reading."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.common.errors import UsageError
from flipad_ops.storage import Content, Item, Target
from flipad_ops.storage.globs import compile_globs, matches
from flipad_ops.storage.selection import Selection, parse_shard, parse_since


class Listed(Target):
    """A target of names."""

    concurrency = 1

    def __init__(self, keys: list[str], uri: str = "listed") -> None:
        self.keys, self.uri = keys, uri

    def list(self) -> Iterator[Item]:
        return (Item(key, 1, float(index), "e") for index, key in enumerate(self.keys))

    def read(self, item: Item, max_bytes: int) -> Content:
        raise AssertionError("selection must not read")


def chosen(keys: list[str], **fields: object) -> list[str]:
    selection = Selection(**fields)  # type: ignore[arg-type]
    return [item.key for _, item in selection.pick([Listed(keys)])]


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("*.png", "a/b/c.png", True),
        ("a/*.png", "a/b/c.png", False),
        ("a/**/*.png", "a/c.png", True),
        ("a/**", "a/b/c.png", True),
        ("a/?.png", "a/bb.png", False),
        ("[!a-c].png", "d.png", True),
        ("[!a-c].png", "a.png", False),
        ("[", "[", True),
        ("a.png", "aXpng", False),
        ("/top.png", "top.png", True),
    ],
)
def test_globs(pattern: str, key: str, expected: bool) -> None:
    assert matches(key, compile_globs([pattern])) is expected


@given(st.text(max_size=8))
def test_any_text_is_a_glob(pattern: str) -> None:
    matches("a/b.png", compile_globs([pattern]))


def test_filters_sample_and_limit() -> None:
    keys = [f"a/{i}.png" for i in range(50)] + [f"b/{i}.jpg" for i in range(50)]
    assert chosen(keys, include=("*.png",), exclude=("a/1*",)) == [
        f"a/{i}.png" for i in range(50) if not str(i).startswith("1")
    ]
    assert chosen(keys, limit=3) == keys[:3]
    sample = chosen(keys, sample=10, seed=4)
    assert sample == chosen(keys, sample=10, seed=4) != chosen(keys, sample=10, seed=5)
    assert sample == sorted(sample, key=keys.index)
    assert len(set(sample)) == 10
    assert chosen(keys, sample=500) == keys


@given(st.integers(1, 7), st.lists(st.text(min_size=1, max_size=4), unique=True))
def test_shards_are_a_partition(count: int, keys: list[str]) -> None:
    parts = [chosen(keys, shard=f"{i}/{count}") for i in range(1, count + 1)]
    assert sorted(key for part in parts for key in part) == sorted(keys)


def test_since() -> None:
    assert parse_since("7d", now=1e6) == 1e6 - 7 * 86400
    assert parse_since("1970-01-02") == 86400.0
    assert parse_since("1970-01-02T01:00:00+01:00") == 86400.0
    assert chosen(["a", "b", "c"], since="1970-01-01T00:00:01+00:00") == ["b", "c"]


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "1/0", "1"])
def test_wrong_shards(text: str) -> None:
    with pytest.raises(UsageError):
        parse_shard(text)


@pytest.mark.parametrize(
    "fields", [{"since": "soon"}, {"limit": 0}, {"sample": 0}, {"shard": "9/2"}]
)
def test_wrong_selections(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Selection(**fields)  # type: ignore[arg-type]
