"""Projected gradient descent in an L-infinity ball (Madry et al., ICLR 2018) on the 8-bit grid.

Momentum as in MI-FGSM (Dong et al., CVPR 2018). The ball is one of whole grey levels, since files
hold no others: what is below one level is rounded away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.adversary_parts.surrogate import Surrogate, excess, margin
from benchmarks.adversary_parts.unrolled import rounded
from flipad_ops.generators import quantise
from flipad_ops.perturb import through_file

Margins = Callable[[Tensor], list[Tensor]]
STEPS, MOMENTUM = 40, 0.75
#: Quality of the JPEG file that an attack on the view of lossy files is saved as.
QUALITY = 90


def whole_levels(eps: float) -> int:
    """Grey levels that an 8-bit image can move within `eps` of them."""
    return int(eps)


def attack(surrogate: Surrogate, images: Tensor, eps: float, framing: bool,
           steps: int = STEPS) -> Tensor:  # fmt: skip
    """Push (n, *sample_shape) 8-bit images in [0, 1] towards "ours", or away from it.

    Returns
    -------
    Tensor, of the same shape
        On the 8-bit grid, each pixel within floor(eps) grey levels of the image's; the best of
        the iterates.
    """
    return descend(surrogate.margins, images, whole_levels(eps), framing, steps, rounded)


def attack_as_jpeg(surrogate: Surrogate, images: Tensor, eps: float, steps: int = STEPS) -> Tensor:
    """Frame by way of the view for lossy files: what is decoded from the file that was saved.

    The file's rounding comes after the ball's, so pixels may leave it. Its gradient is taken for
    the identity's (BPDA, Athalye et al., ICML 2018).
    """

    def saved(pixels: Tensor) -> Tensor:
        source = torch.Generator()
        made = through_file(quantise(pixels.detach()), "JPEG", (QUALITY, QUALITY), source)
        return pixels + (made - pixels).detach()

    return descend(surrogate.lossy_margins, images, whole_levels(eps), True, steps, saved)


def descend(margins: Margins, images: Tensor, levels: int, framing: bool, steps: int,
            file: Callable[[Tensor], Tensor]) -> Tensor:  # fmt: skip
    """The loop; `file` turns pixels in [0, 1] to what a reader of the saved file sees."""
    best = file(images).detach()
    if levels == 0:
        return best
    radius = levels / 255
    low, high = (images - radius).clamp(0, 1), (images + radius).clamp(0, 1)
    sign = 1.0 if framing else -1.0
    with torch.no_grad():
        best_value = sign * margin(margins(best))
    moved, velocity = images.clone(), torch.zeros_like(images)
    for step in range(steps + 1):
        moved.requires_grad_()
        seen = file(moved)
        found = margins(seen)
        value = sign * margin(found).detach()
        better = value < best_value
        best[better], best_value[better] = seen.detach()[better], value[better]
        if step == steps:
            break
        loss = excess(found) if framing else -margin(found)
        (gradient,) = torch.autograd.grad(loss.sum(), moved)
        size = gradient.flatten(1).abs().mean(dim=1).clamp_min(1e-30)
        velocity = MOMENTUM * velocity + gradient / size.reshape(-1, *[1] * (images.dim() - 1))
        # Large steps first, then fine ones, as in Auto-PGD but on a fixed schedule.
        length = radius * (0.5 if step < steps // 2 else 0.2)
        moved = torch.minimum(torch.maximum(moved.detach() - length * velocity.sign(), low), high)
    return best
