"""Streams of a fit's seeds."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args
from zlib import crc32

import flipad_ops.attribution
from flipad_ops.attribution.seeds import Stream, stream

NAMES = get_args(Stream)


def test_names_are_distinct_and_each_is_used_for_one_thing() -> None:
    assert len({crc32(name.encode()) for name in NAMES}) == len(NAMES)
    used = []
    for path in Path(flipad_ops.attribution.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "stream":
                used.append(ast.literal_eval(node.args[1]))
    assert sorted(used) == sorted(NAMES)


def test_streams_differ_and_repeat() -> None:
    seeds = [stream(seed, name, n) for seed in range(50) for name in NAMES for n in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert stream(0, "anchor") == stream(0, "anchor") == 2_039_522_552
