"""Pictures a reviewer of a fit looks at, as matplotlib figures (no global pyplot state)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.fitting import FitResult

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
    for name, values in scores.items():
        axes.hist(
            values.clip(floor),
            bins.tolist(),
            histtype="step",
            label=f"{name} ({len(values)})",
            color=OWN if name == "own" else None,
            linewidth=2 if name == "own" else 1.2,
        )
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
    axes.set(xscale="log", xlabel="score (low means ours)", ylabel="held-out images")
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
    figure = Figure(figsize=(1.3 * len(channels) + 1, 3.2), layout="constrained")
    grid = figure.subplots(2, len(channels), squeeze=False)
    for column, channel in enumerate(channels):
        pair = (own[channel], foreign[channel])
        low = min(float(m.min()) for m in pair)
        high = max(float(m.max()) for m in pair)
        for row, (name, values) in enumerate(zip(("own", "foreign"), pair, strict=True)):
            axes = grid[row][column]
            axes.imshow(values.numpy(), cmap="viridis", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(f"channel {channel}", fontsize=7)
            if column == 0:
                axes.set_ylabel(name)
    figure.suptitle("Mean recovered activation (each column on one scale)", fontsize=9)
    return figure


def gallery(examples: Mapping[str, Tensor]) -> Figure | None:
    """A row of test images per source."""
    rows = {name: images for name, images in examples.items() if images.dim() == 4 and len(images)}
    if not rows:
        return None
    columns = max(len(images) for images in rows.values())
    figure = Figure(figsize=(1.1 * columns + 1.5, 1.2 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, images) in enumerate(rows.items()):
        for column in range(columns):
            axes = grid[row][column]
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
            if column < len(images):
                pixels = images[column].permute(1, 2, 0).numpy()
                axes.imshow(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels, cmap="gray")
        grid[row][0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
