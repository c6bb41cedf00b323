"""Pictures a reviewer of a fit looks at, as matplotlib figures (no global pyplot state)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fitting import FitResult

#: Channels shown of the mean activations.
MAPS = 8
OWN, FOREIGN = "#1b6ca8", "#c0532b"


def loss_curve(losses: Sequence[float]) -> Figure:
    """DeepSAD training loss by epoch."""
    figure, axes = _figure(5, 3)
    axes.plot(range(1, len(losses) + 1), losses, color=OWN)
    axes.set(xlabel="epoch", ylabel="mean loss", yscale="log", title="Detector training")
    return figure


def score_histogram(scores: Mapping[str, NDArray[np.float64]], threshold: float) -> Figure:
    """Held-out scores of own and foreign images on a log scale, with the threshold."""
    figure, axes = _figure(7, 4)
    floor = max(min(float(s.min()) for s in scores.values()), 1e-12)
    top = max(float(s.max()) for s in scores.values())
    bins = np.geomspace(floor, max(top, floor * 10), 60)
    for place, (name, values) in enumerate(scores.items()):
        axes.hist(
            values.clip(floor),
            bins.tolist(),
            histtype="step",
            label=f"{name} ({len(values)})",
            # The first colour of matplotlib's cycle is a blue too.
            color=OWN if name == "own" else f"C{place % 9 + 1}",
            linewidth=2 if name == "own" else 1.2,
        )
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
    axes.set(xscale="log", xlabel="score (low means ours)", ylabel="held-out images",
             title="Scores by the first witness: left of the threshold is attributed")  # fmt: skip
    axes.legend(fontsize=7)
    return figure


def roc(scores: Mapping[str, NDArray[np.float64]]) -> Figure:
    """One ROC curve per foreign source."""
    figure, axes = _figure(4.5, 4.5)
    own = np.sort(scores["own"])
    for name, values in scores.items():
        if name == "own":
            continue
        cuts = np.sort(np.concatenate([own, values]))
        tpr = np.searchsorted(own, cuts, side="right") / len(own)
        fpr = np.searchsorted(np.sort(values), cuts, side="right") / len(values)
        axes.plot([0, *fpr], [0, *tpr], label=name, drawstyle="steps-post")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.set(xlabel="foreign images attributed", ylabel="own images attributed", title="ROC")
    axes.legend(fontsize=7, loc="lower right")
    return figure


def activation_maps(result: FitResult) -> Figure | None:
    """Mean recovered activations, own above foreign, most telling channels first."""
    own, foreign = result.mean_activations["own"], result.mean_activations["foreign"]
    if own.dim() != 3:
        return None
    difference = (own - foreign).abs().flatten(1).mean(dim=1)
    channels = difference.topk(min(MAPS, len(difference))).indices.tolist()
    pairs = np.stack([own[channels].numpy(), foreign[channels].numpy()])
    low, high = pairs.min(axis=(0, 2, 3)), pairs.max(axis=(0, 2, 3))
    span = np.maximum(high - low, 1e-12)[:, None, None]
    scaled = (pairs - low[:, None, None]) / span
    figure = Figure(figsize=(1.3 * len(channels) + 1, 3.2), layout="constrained")
    axes = figure.subplots()
    centres = _sheet(axes, list(scaled), cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(centres[1], [f"channel {channel}" for channel in channels], fontsize=7)
    axes.set_yticks(centres[0], ["own", "foreign"])
    axes.xaxis.tick_top()
    figure.suptitle("Mean recovered activation (each column on one scale)", fontsize=9)
    return figure


def gallery(examples: Mapping[str, Tensor]) -> Figure | None:
    """A row of test images per source."""
    rows = {
        name: images.permute(0, 2, 3, 1).numpy()
        for name, images in examples.items()
        if images.dim() == 4 and len(images)
    }
    if not rows:
        return None
    columns = max(len(images) for images in rows.values())
    figure = Figure(figsize=(1.1 * columns + 1.5, 1.2 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots()
    tiles = [v.squeeze(-1) if v.shape[3] == 1 else v for v in rows.values()]
    centres = _sheet(axes, tiles, cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks(centres[0], list(rows), fontsize=8)
    return figure


def _sheet(
    axes: Axes, rows: Sequence[NDArray[np.float32]], **how: Any
) -> tuple[list[float], list[float]]:
    """Draw rows of equal tiles, (n, height, width[, 3]) each, as one picture with gaps.

    One picture draws many times faster than a plot per tile. Returns the tiles' centres, by
    rows and by columns.
    """
    height, width = rows[0].shape[1:3]
    gap = max(width // 12, 1)
    columns = max(len(row) for row in rows)
    down, right = height + gap, width + gap
    shape = (len(rows) * down - gap, columns * right - gap, *rows[0].shape[3:])
    sheet = np.full(shape, np.nan, dtype=np.float32)
    if sheet.ndim == 3:
        sheet[:] = 1.0  # white; only one channel has a colour for "nothing here"
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            sheet[r * down : r * down + height, c * right : c * right + width] = tile
    axes.imshow(sheet, **how)
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    return (
        [r * down + (height - 1) / 2 for r in range(len(rows))],
        [c * right + (width - 1) / 2 for c in range(columns)],
    )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
