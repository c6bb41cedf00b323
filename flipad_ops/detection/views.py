"""All views that there are: those of this package, one line each, and those of others by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.common.plugins import plugin, plugin_names
from flipad_ops.detection.alteration_gate import AlterationGate
from flipad_ops.detection.deepsad import DeepSad
from flipad_ops.detection.fusion import Branch, Detector
from flipad_ops.detection.pixel import PixelView
from flipad_ops.detection.row_view import RowView
from flipad_ops.detection.spectral import SpectralView
from flipad_ops.detection.statistics import StatisticsHead
from flipad_ops.detection.view import Stored, View

#: Every fit asks each of them, in this order: a view may build on those before it.
VIEWS: tuple[type[View], ...] = (
    DeepSad,
    StatisticsHead,
    RowView,
    PixelView,
    AlterationGate,
    SpectralView,
)
#: Those that formats before 6 of an attributor tell by the names of their tensors.
UNNAMED = frozenset({"deepsad", "head", "row", "pixel", "gate", "spectral"})
GROUP = "flipad_ops.views"


def offered_view(name: str) -> type[View]:
    """A view that an installed package offers as an entry point under GROUP.

    Raises
    ------
    UsageError
        Not offered, or what is offered is no view of that name.
    """
    found: type[View] | None = plugin(GROUP, name)
    if found is None:
        raise UsageError(
            f"There is no view {name!r}: install the package that offers it under {GROUP} "
            f"(offered: {', '.join(plugin_names(GROUP)) or 'none'})."
        )
    fits = isinstance(found, type) and issubclass(found, View) and found.name == name
    if not fits or not name.isidentifier() or name in {view.name for view in VIEWS}:
        raise UsageError(
            f"{found!r} is not a View of the name {name!r}, or one of that name exists."
        )
    return found


def every_view(extra: Sequence[str]) -> tuple[type[View], ...]:
    """VIEWS and those called `extra`; see `offered_view` for the error."""
    return (*VIEWS, *map(offered_view, extra))


def view_configs(detector: Detector) -> dict[str, dict[str, Any]]:
    """By their place in the detector's state, the views that tensors' names do not tell."""
    return {
        f"{place}.{name}": view.config()
        for place, branch in detector.places()
        for name, view in branch.named.items()
        if name not in UNNAMED
    }


def stored_detector(
    state: Mapping[str, Tensor],
    configs: Mapping[str, Any],
    extra: Sequence[str],
    *,
    feature_shape: tuple[int, ...],
    sample_shape: tuple[int, ...],
    dim: int,
) -> Detector:
    """The detector of a `state_dict`.

    Parameters
    ----------
    configs : mapping
        See `view_configs`.
    extra : sequence of str
        Names of the views that are not of this package, in order.
    feature_shape, sample_shape, dim
        See `Stored`.

    Raises
    ------
    UsageError, KeyError, RuntimeError
        A view is not installed, or the tensors do not fit together.
    """
    views = every_view(extra)

    def branch(place: str) -> Branch:
        return Branch(list(of_branch(place)))

    def of_branch(place: str) -> Iterator[View]:
        for view in views:
            prefix = f"{place}.{view.name}."
            own = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            if own if view.name in UNNAMED else prefix[:-1] in configs:
                config = configs.get(prefix[:-1], {})
                yield view.empty(Stored(own, feature_shape, sample_shape, dim, config))

    count = sum(name.startswith("branches.") and name.endswith(".scales") for name in state)
    branches = [branch(f"branches.{number}") for number in range(count)]
    detector = Detector(branches, branch("lossy") if "lossy.scales" in state else None)
    detector.load_state_dict(state)
    return detector
