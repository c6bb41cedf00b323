"""A listing by folders side by side has every object once, whatever the tree and its server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipad_ops.common.errors import TargetError
from flipad_ops.storage import Item, S3Access
from flipad_ops.storage.s3 import bucket as bucket_module
from flipad_ops.storage.s3.bucket import Bucket
from flipad_ops.storage.s3.walk import DEPTH, LEVELS, PROBE, STREAMS, Page, walk
from tests.e2e.s3_server import s3_server

SIZE = 2


class Tree:
    """A bucket of keys, two to a page.

    Parameters
    ----------
    keys : collection of str
    backwards : bool
        Whether its server lists in an order of its own.
    allowed : str
        Prefixes must end so to be listed.
    """

    def __init__(self, keys: Sequence[str], backwards: bool = False, allowed: str = "") -> None:
        self.keys = sorted(keys, key=str.encode, reverse=backwards)
        self.allowed = allowed
        self.asked: list[str] = []

    def pages(self, prefix: str) -> Iterator[Page]:
        if not prefix.endswith(self.allowed):
            raise TargetError("AccessDenied")
        found = [Item(key, 1, 0.0, "") for key in self.keys if key.startswith(prefix)]
        for start in range(0, max(1, len(found)), SIZE):
            self.asked.append(prefix)
            yield found[start : start + SIZE]

    def level(self, prefix: str) -> tuple[Sequence[str], Page] | None:
        rest = [key[len(prefix) :] for key in self.keys if key.startswith(prefix)]
        folders = {prefix + key.partition("/")[0] + "/" for key in rest if "/" in key}
        objects = [Item(prefix + key, 1, 0.0, "") for key in rest if "/" not in key]
        return sorted(folders), objects  # lest the order of a set decides which is asked for


def listed(tree: Tree, prefix: str = "") -> list[str]:
    return [item.key for page in walk(tree, prefix) for item in page]


KEYS = st.lists(st.sampled_from(["a/", "b/", "a", "-", "0", "é"]), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.sets(KEYS.map("".join), max_size=60), st.booleans())
def test_every_key_once(keys: set[str], backwards: bool) -> None:
    found = listed(Tree(list(keys), backwards))
    assert sorted(found) == sorted(keys)


def test_in_order_of_names_and_as_an_ordered_server_gives_them() -> None:
    keys = [f"{folder}/{n:02d}" for folder in ("a", "a-b", "b/c", "b/d") for n in range(20)]
    tree = Tree([*keys, "a!", "a0", "z"])
    assert listed(tree) == tree.keys
    assert {"a/", "a-b/", "b/"} < set(tree.asked)


@pytest.mark.parametrize("keys", [
    [f"{n:03d}" for n in range(100)],
    [f"{n:03d}/x" for n in range(100)],
    [f"a/{n}" for n in range(PROBE * SIZE - 1)],
], ids=["no folders", "small folders", "few objects"])  # fmt: skip
def test_what_would_not_gain_is_listed_as_ever(keys: list[str]) -> None:
    tree = Tree(keys)
    assert listed(tree) == sorted(keys)
    assert set(tree.asked) == {""}


def test_who_may_list_the_whole_only_gets_the_whole() -> None:
    keys = [f"in/{folder}/{n}" for folder in "abc" for n in range(20)]
    tree = Tree(keys, allowed="in/")
    assert sorted(listed(tree, "in/")) == sorted(keys)
    assert set(tree.asked) == {"in/"}


def test_an_error_in_a_folder_comes_after_what_was_before_it() -> None:
    class Broken(Tree):
        def pages(self, prefix: str) -> Iterator[Page]:
            if prefix == "b/":
                raise TargetError("gone")
            yield from super().pages(prefix)

    pages = walk(Broken([f"{folder}/{n:02d}" for folder in "abc" for n in range(20)]), "")
    before = [item.key for page in islice(pages, 20 // SIZE) for item in page]
    assert before == [f"a/{n:02d}" for n in range(20)]
    with pytest.raises(TargetError, match="gone"):
        next(pages)


@pytest.mark.parametrize("after", range(PROBE + 2))
def test_pages_before_an_error_are_not_lost(after: int) -> None:
    class Broken(Tree):
        def pages(self, prefix: str) -> Iterator[Page]:
            yield from islice(super().pages(prefix), after)
            raise TargetError("gone")

    pages, found = walk(Broken([f"{n:02d}" for n in range(50)]), ""), list[str]()
    while (page := kept(pages)) is not None:
        found.extend(item.key for item in page)
    assert found == [f"{n:02d}" for n in range(SIZE * after)]


def kept(pages: Iterator[Page]) -> Page | None:
    """The next page, or None at the error that ends them."""
    try:
        return next(pages)
    except TargetError:
        return None


def test_its_memory_and_threads_are_bounded_and_end_with_it() -> None:
    tree = Tree([f"{a}/{b}/{n:03d}" for a in range(9) for b in range(9) for n in range(40)])
    before = threading.active_count()
    pages = walk(tree, "")
    next(pages)
    streams = STREAMS**LEVELS + STREAMS
    assert threading.active_count() - before <= streams
    pages.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before
    assert len(tree.asked) <= streams * (PROBE + DEPTH + 2)


@pytest.mark.e2e
def test_a_real_server_is_asked_for_several_folders_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "PAGE", 10)
    monkeypatch.setattr(Bucket.pages, "__defaults__", (10,))
    under_way, most, lock = 0, 0, threading.Lock()

    def begin(**_: Any) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)

    def end(**_: Any) -> None:
        nonlocal under_way
        with lock:
            under_way -= 1

    keys = [f"in/{folder}/{n:02d}" for folder in ("a", "a-b", "b/c", "b/d") for n in range(60)]
    with s3_server(tmp_path) as server:
        server.use(monkeypatch)
        client = server.client()
        for key in [*keys, "in/0.png", "in/z.png"]:
            client.put_object(Bucket="private", Key=key, Body=b"x")
        bucket = Bucket("private", S3Access())
        events = bucket.client().meta.events
        events.register("before-send.s3.ListObjectsV2", begin)
        events.register("after-call.s3.ListObjectsV2", end)
        found = [item.key for item in bucket.list("in/")]
    assert found == sorted([*keys, "in/0.png", "in/z.png"], key=str.encode)
    assert most > 1
