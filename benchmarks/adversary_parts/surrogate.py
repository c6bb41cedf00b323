"""The attributor as a white-box attacker sees it: its score with gradients.

Values are the product's (see `unrolled` for the inversion; the views after it are differentiable
as they stand). What an attack achieved is still measured on the product's own scoring of files.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.adversary_parts.unrolled import UnrolledInversion
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.common.errors import UsageError
from flipad_ops.detection import Branch, DeepSad, Inputs, PixelView

_TINY = 1e-12


class Surrogate:
    """Margins of an attributor: how far each view is above the decision.

    Parameters
    ----------
    attributor : Attributor
    alone : bool
        DeepSAD on the activation alone, at its own threshold, in place of all views: what a
        detector without fusion would decide by.
    """

    def __init__(self, attributor: Attributor, alone: bool = False) -> None:
        self.attributor, self.alone = attributor, alone
        self.invert = UnrolledInversion(attributor)
        if alone and "deepsad" not in attributor.detector.parts[0].named:
            raise UsageError("There is no DeepSAD to attack alone.")

    def margins(self, pixels: Tensor) -> list[Tensor]:
        """For each branch the logarithm of its views' scores over the threshold, (n, views).

        `pixels` are on the 8-bit grid and without the trace of a lossy file. Of one branch's
        views the largest margin counts, of the branches the least; "ours" is at or below zero.
        """
        activations = self.invert(pixels)
        features = self.attributor.features(activations)
        parts, threshold = self.attributor.detector.parts, self.attributor.calibration.threshold
        if self.alone:
            deepsad = parts[0].named["deepsad"]
            return [_log(deepsad(features).double()[:, None] / parts[0].scales[0])]
        views = [_views(part, features, activations, pixels) / part.scales for part in parts]
        return [_log(scores / threshold) for scores in views]

    def lossy_margins(self, pixels: Tensor) -> list[Tensor]:
        """The same for images that show the trace of a lossy file, which need no activation."""
        detector, threshold = self.attributor.detector, self.attributor.calibration.threshold
        if detector.lossy is None:
            raise UsageError("The attributor has no view of lossy files.")
        scores = _views(detector.lossy, pixels, pixels, pixels) / detector.lossy.scales
        return [_log(scores / detector.lossy_scale / threshold)]


def margin(margins: Sequence[Tensor]) -> Tensor:
    """(n,) the margin that decides."""
    return torch.stack([part.amax(dim=1) for part in margins]).amin(dim=0)


def excess(margins: Sequence[Tensor], slack: float = 0.1) -> Tensor:
    """(n,) the sum over views above the decision, or nearly so, of the nearest branch.

    To descend: the largest margin alone is one view's at a time.
    """
    return torch.stack([(part + slack).clamp_min(0).sum(dim=1) for part in margins]).amin(dim=0)


def reach(margins: Sequence[Tensor], cap: float) -> Tensor:
    """(n,) the sum over branches of their largest margin, each counted up to `cap`.

    To climb: every branch must refuse, and the least margin alone is one branch's at a time.
    """
    return torch.stack([part.amax(dim=1).clamp_max(cap) for part in margins]).sum(dim=0)


def _log(scores: Tensor) -> Tensor:
    return scores.clamp_min(_TINY).log()


def _views(branch: Branch, features: Tensor, activations: Tensor, pixels: Tensor) -> Tensor:
    """`Branch.views` with gradients."""
    inputs, columns = Inputs(features, activations, pixels), []
    for view in branch.named.values():
        if isinstance(view, DeepSad):
            columns.append(view(features).double())
        elif isinstance(view, PixelView):
            columns.append(F.softplus(view.odds(pixels).double()))
        else:
            columns.append(view.score(inputs))
    return torch.stack(columns, dim=1)
