"""The scan benchmark's content and arithmetic."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore

from benchmarks.face_sources import SIZE
from benchmarks.scan_parts.content import (
    BESIDE,
    LEAKS,
    MIXED,
    Content,
    change,
    photo_patches,
    upload,
)
from benchmarks.scan_parts.figures import FOUND, STAGES, summary
from benchmarks.scan_parts.words import in_words


def listing(store: MemoryStore) -> dict[str, str]:
    import obstore

    return {m["path"]: m["e_tag"] for chunk in obstore.list(store) for m in chunk}


def test_the_bucket_holds_what_is_said_and_changes_as_told() -> None:
    pytest.importorskip("gan_face_generate")
    store, content = MemoryStore(), Content(300, steps=1)
    upload(store, content)
    before = listing(store)
    assert len(before) == 300
    mixed = [key for key in before if key.startswith(f"{MIXED}/")]
    assert len(mixed) == LEAKS + BESIDE
    assert sum("leak" in key for key in mixed) == LEAKS
    rest = sorted(set(before) - set(mixed))
    assert sum("gan" in key for key in rest[:100]) == 50
    expected = change(store, content)
    after = listing(store)
    assert {key for key, etag in after.items() if before.get(key) != etag} == expected
    assert len(set(before) - set(after)) == 2
    assert not any("leak" in key for key in expected)


def test_patches_are_distinct_and_drawn_without_end_in_sight() -> None:
    patches = list(islice(photo_patches(0), 3000))
    assert {patch.shape for patch in patches} == {(SIZE, SIZE, 3)}
    assert len({patch.tobytes() for patch in patches}) > 2900  # some sky is all alike
    first = next(photo_patches(1))
    assert not np.array_equal(first, patches[0])


def rounds(*rates: tuple[float, float, float]) -> list[dict[str, Any]]:
    """Rounds with the given rates of scan, fetch and score."""
    rest = {name: {"rate": 1000.0} for name in STAGES}
    chosen = [dict(zip(("scan", "fetch", "score"), one, strict=True)) for one in rates]
    return [rest | {name: {"rate": rate} for name, rate in one.items()} for one in chosen]


@pytest.fixture
def runs() -> dict[str, list[dict[str, Any]]]:
    facts = dict.fromkeys(FOUND, 0) | {
        "planted_significant": 20, "prefixes_called": 4, "other_prefixes_called": 1,
        "q_of_planted_prefix": None, "screened": 80, "fetched": 3,
    }  # fmt: skip

    def run(**changes: float) -> list[dict[str, Any]]:
        base = {"seconds": 100.0, "cpu_seconds": 50.0, "objects": 100, "rate": 1.0, "peak_mb": 400}
        return [{**base, **facts, **changes}]

    return {
        "stages": rounds((80, 100, 200), (90, 300, 100), (20, 100, 40)),
        "attributors_1": run(), "attributors_2": run(cpu_seconds=75.0),
        "screened": run(rate=30.0), "unscreened": run(rate=10.0, cpu_seconds=200.0),
        "tenth": run(), "whole": run(peak_mb=500),
        "changed": run(seconds=4.0, fetched_exactly_the_changed=True),
        "unchanged": run(seconds=3.0),
    }  # fmt: skip


def test_shares_are_medians_of_each_rounds_own_ratio(runs: dict[str, Any]) -> None:
    figures = summary(runs)
    assert figures["share_of_slowest_stage"] == pytest.approx(0.8)
    assert figures["speedup_vs_boto3"] == pytest.approx(0.1)
    assert figures["memory_ratio_100k_to_10k"] == 1.25
    assert figures["rescan_time_share"] == 0.04
    assert figures["screen_speedup"] == 3
    assert figures["screen_speedup_cpu"] == 4
    assert figures["attributors_2_cpu_ms_per_object"] == 750
    assert figures["false_discovery_share_prefixes"] == 0.25
    assert all(not isinstance(value, dict | list) for value in figures.values())


def test_the_page_names_every_figure(runs: dict[str, Any]) -> None:
    machine = {"cores": 2, "python": "3", "threads": "1"}
    figures = summary(runs)
    page = in_words(
        {"summary": figures, "runs": runs, "objects": 100, "stage_objects": 8, "machine": machine}
    )
    assert "20 of 20" in page
    assert "4.0% (4.0 of 100 s)" in page
    assert all(f"| {name} |" in page for name in figures)
