"""The flat figures that others compare, from the runs."""

from __future__ import annotations

import statistics
from typing import Any

Runs = dict[str, list[dict[str, Any]]]
STAGES = ("list", "fetch", "fetch_boto3", "decode", "score", "scan", "scan_weightless")
FOUND = (
    "planted_attributed", "planted_significant_alone", "planted_significant",
    "others_attributed", "images_called_leak", "others_called_leak", "prefixes",
    "prefixes_called", "other_prefixes_called", "q_of_planted_prefix",
)  # fmt: skip


def summary(runs: Runs) -> dict[str, Any]:
    """Every figure by name; shares are medians over rounds, each of one round's own rates."""
    rounds, whole, tenth = runs["stages"], runs["whole"][0], runs["tenth"][0]

    def rate(name: str) -> float:
        return statistics.median(one[name]["rate"] for one in rounds)

    def ratio(name: str, *against: str) -> float:
        return statistics.median(
            one[name]["rate"] / min(one[other]["rate"] for other in against) for one in rounds
        )

    changed, unchanged = runs["changed"][0], runs["unchanged"][0]
    figures: dict[str, Any] = {
        "share_of_slowest_stage": ratio("scan", "fetch", "decode", "score"),
        "share_of_scoring_in_its_thread": statistics.median(
            one["score"]["thread_cpu_ms"] / one["scan"]["thread_cpu_ms"] for one in rounds
        ),
        "memory_ratio_100k_to_10k": whole["peak_mb"] / tenth["peak_mb"],
        "rescan_time_share": changed["seconds"] / whole["seconds"],
        "speedup_vs_boto3": ratio("fetch", "fetch_boto3"),
        "share_of_slowest_stage_weightless": ratio("scan_weightless", "fetch", "decode"),
        "rescan_time_share_unchanged": unchanged["seconds"] / whole["seconds"],
    }
    figures |= {f"{name}_per_second": rate(name) for name in STAGES}
    figures |= {
        "whole_objects": whole["objects"],
        "whole_seconds": whole["seconds"],
        "whole_per_second": whole["rate"],
        "whole_cpu_ms_per_object": whole["cpu_seconds"] / whole["objects"] * 1e3,
        "whole_screened": whole["screened"],
        "peak_mb_at_tenth": tenth["peak_mb"],
        "peak_mb_at_whole": whole["peak_mb"],
        "changed_objects_fetched": changed["fetched"],
        "fetched_exactly_the_changed": changed["fetched_exactly_the_changed"],
        "unchanged_objects_fetched": unchanged["fetched"],
        "screen_share_of_objects": whole["screened"] / whole["objects"],
        "screen_speedup": runs["screened"][0]["rate"] / runs["unscreened"][0]["rate"],
        "screen_speedup_cpu": _cpu(runs, "unscreened") / _cpu(runs, "screened"),
    }
    for name in sorted(runs):
        if name.startswith("attributors_"):
            figures[f"{name}_cpu_ms_per_object"] = _cpu(runs, name) * 1e3
            figures[f"{name}_per_second"] = runs[name][0]["rate"]
    figures |= {name: whole[name] for name in FOUND}
    figures["false_discovery_share_images"] = whole["others_called_leak"] / max(
        whole["images_called_leak"], 1
    )
    figures["false_discovery_share_prefixes"] = whole["other_prefixes_called"] / max(
        whole["prefixes_called"], 1
    )
    return figures


def _cpu(runs: Runs, name: str) -> float:
    """CPU seconds an object, of the scan and its decoders."""
    return float(runs[name][0]["cpu_seconds"] / runs[name][0]["objects"])
