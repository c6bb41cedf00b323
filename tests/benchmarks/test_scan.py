"""The scan benchmark's content and arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore

from benchmarks.scan_parts.content import (
    BESIDE,
    LEAKS,
    MIXED,
    Content,
    change,
    upload,
)
from benchmarks.scan_parts.figures import FOUND, STAGES, summary
from benchmarks.scan_parts.sources import Faces, Small, every_place, samples
from benchmarks.scan_parts.words import in_words


def listing(store: MemoryStore) -> dict[str, str]:
    import obstore

    return {m["path"]: m["e_tag"] for chunk in obstore.list(store) for m in chunk}


def test_the_bucket_holds_what_is_said_and_changes_as_told() -> None:
    store, content = MemoryStore(), Content(Small(), 300)
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


def test_sources_offer_what_a_fit_and_a_scan_need() -> None:
    pytest.importorskip("gan_face_generate")
    for source in (Faces(steps=1), Small()):
        shape = (source.size, source.size, 3)
        images = [next(samples(source.other, 0)), next(every_place(source.photographs(), 16, 0))]
        assert [image.shape for image in images] == [shape, (16, 16, 3)]
        assert source.own.sample(2, seed=0).shape == (2, 3, *shape[:2])
        negatives = source.negatives()
        assert {n.images.shape[1:] for n in negatives.values()} == {(3, *shape[:2])}
        assert sum(map(len, negatives.values())) >= source.settings().min_negatives


def test_patches_take_every_place_once() -> None:
    photo = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    patches = list(every_place([photo, photo[:4, :4]], 4, seed=0))
    assert {patch.shape for patch in patches} == {(4, 4, 3)}
    assert len(patches) == 2 * 4 + 1
    assert len({patch.tobytes() for patch in patches}) == 8  # the small photo is in the large one


def rounds(*rates: tuple[float, float, float]) -> list[dict[str, Any]]:
    """Rounds with the given rates of scan, fetch and score."""
    rest = {name: {"rate": 1000.0} for name in STAGES}
    chosen = [dict(zip(("scan", "fetch", "score"), one, strict=True)) for one in rates]
    return [
        rest | {name: {"rate": rate, "thread_cpu_ms": 1 / rate} for name, rate in one.items()}
        for one in chosen
    ]


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
    assert figures["share_of_scoring_in_its_thread"] == pytest.approx(0.5)
    assert figures["speedup_vs_boto3"] == pytest.approx(0.1)
    assert figures["memory_ratio_100k_to_10k"] == 1.25
    assert figures["rescan_time_share"] == 0.04
    assert figures["screen_speedup"] == 3
    assert figures["screen_speedup_cpu"] == 4
    assert figures["attributors_2_cpu_ms_per_object"] == 750
    assert figures["false_discovery_share_prefixes"] == 0.25
    assert all(not isinstance(value, dict | list) for value in figures.values())


@pytest.mark.parametrize("source", ["faces", "small"])
def test_the_page_names_every_figure(runs: dict[str, Any], source: str) -> None:
    machine = {"cores": 2, "python": "3", "threads": "1"}
    figures = summary(runs)
    facts = {"summary": figures, "runs": runs, "objects": 100, "stage_objects": 8}
    page = in_words({**facts, "machine": machine, "source": source})
    assert "| 20 of 20 lie in a folder called" in page
    assert "4.0% (4.0 of 100 s)" in page
    assert all(f"| {name} |" in page for name in figures)
