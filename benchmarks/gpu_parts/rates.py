"""How fast: inversion by images together, searches, whole scores, a crop of a large decoder."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.gpu_parts.subjects import foreign, layers, samples, small, split
from benchmarks.inversion_parts.device import bandwidth, floor_bytes, seconds
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion import FinalLayerInverter, inverter
from flipad_ops.inversion.solvers import Splitting, splitting

Row = dict[str, Any]
INVERSION, SEARCH, SCORES = "inversion", "search", "scores"
#: Images iterated together; what the product takes is the first.
TOGETHER = (8, 64, 256, 1024)
REPEATED = 3


def inversion(device: str, images: int, side: int) -> Iterator[Row]:
    """Every layer; the best number of images together is the largest rate's."""
    moved = bandwidth("cuda" if device.startswith("cuda") else "cpu")
    for name, (layer, output_map, anchor, pixels) in layers(side).items():
        many = pixels[torch.arange(images) % len(pixels)]
        for together in [count for count in TOGETHER if count <= max(8, images)]:
            yield {
                "section": INVERSION, "what": name, "together": together, "images": images,
                **_inverted(layer, output_map, anchor, many, device, together, moved),
            }  # fmt: skip


def _inverted(
    layer: FinalLayer, output_map: OutputMap, anchor: Tensor, pixels: Tensor, device: str,
    together: int, moved: float,
) -> Row:  # fmt: skip
    with patch.object(splitting, "SLOTS", together), patch.object(inverter, "CHUNK", 4096):
        made = FinalLayerInverter(layer, output_map, anchor, device=device)
        made.invert(pixels[:together])
        spent, peak = _timed(device, lambda: made.invert(pixels))
        found = made.invert(pixels)
    row = {
        "images_per_s": round(len(pixels) / spent, 1),
        "peak_mib": peak,
        "iterations": round(float(found.iterations.double().mean()), 1),
    }
    if isinstance(made.solver, Splitting):
        least = int(found.iterations.sum()) * floor_bytes(made.solver) / moved
        row["share_of_bandwidth_floor"] = round(least / spent, 3)
    return row


def search(device: str, images: int, share: float) -> Iterator[Row]:
    """Of own images, who go all the way, 32x32; by images refined together."""
    settings = small("default", share)
    for batch in (32, 128, 512):
        if batch > max(32, images):
            continue
        few = replace(settings.regeneration, batch=batch)
        chosen = replace(settings, regeneration=few)
        own = split(0, device)
        fitted = fit_attributor(own, foreign(200), chosen, device=device).attributor
        second = fitted.second
        if second is None:
            yield {"section": SEARCH, "what": f"batch {batch}", "why": fitted.second_witness}
            continue
        pixels = samples(0, images).to(device)
        spent, peak = _timed(device, partial(second.regenerator.searched, pixels))
        yield {"section": SEARCH, "what": f"batch {batch}", "images": images,
               "images_per_s": round(images / spent, 1), "peak_mib": peak}  # fmt: skip


def scores(device: str, images: int, share: float) -> Iterator[Row]:
    """Whole scoring of own and of foreign images: 32x32, faces' size, a crop of 512x512."""
    kinds: dict[str, tuple[dict[str, int], int]] = {
        "32x32": ({}, 0),
        "64x64, colour": ({"size": 64, "channels": 3, "width": 64}, 0),
    }
    if share >= 1:
        kinds["512x512, colour, window 128"] = ({"size": 512, "channels": 3, "width": 32}, 128)
    for name, (kind, window) in kinds.items():
        settings = replace(small("fast", share if not window else 0.1), window=window)
        count = 200 if not window else 40
        own = split(0, device, **kind)
        fitted = fit_attributor(own, foreign(count, **kind), settings, device=device).attributor
        for what, seed in (("own", 0), ("foreign", 1)):
            pixels = samples(seed, images if not window else 16, **kind)
            spent, peak = _timed(device, partial(fitted.score, pixels))
            yield {"section": SCORES, "what": f"{name}, {what}", "images": len(pixels),
                   "images_per_s": round(len(pixels) / spent, 1), "peak_mib": peak}  # fmt: skip


def _timed(device: str, run: Callable[[], object]) -> tuple[float, int]:
    """Median of REPEATED wall times, and the device's peak memory in MiB (0 on a CPU)."""
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    spent = statistics.median(seconds("cuda" if cuda else "cpu", run) for _ in range(REPEATED))
    return spent, torch.cuda.max_memory_allocated() >> 20 if cuda else 0
