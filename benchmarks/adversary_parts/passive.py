"""What anyone can do to an image without knowing the attributor, by strength.

Everything takes and returns float32 (n, 1, height, width) in [0, 1] on the 8-bit grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from scipy.ndimage import gaussian_filter, median_filter
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.attribution.augmentation import crop, noise, resize, through_file
from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator, quantise
from flipad_ops.inversion import FinalLayerInverter

Change = Callable[[Tensor, torch.Generator], Tensor]


def _file(format: str, quality: int) -> Change:
    return lambda x, source: through_file(x, format, (quality, quality), source)


def _noise(levels: float) -> Change:
    return lambda x, source: noise(x, 2 * levels / 255, source)


def _blur(width: float) -> Change:
    def change(x: Tensor, _: torch.Generator) -> Tensor:
        return quantise(torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, width, width))))

    return change


def _resized(factor: float) -> Change:
    return lambda x, _: resize(x, factor)


def _cropped(share: float) -> Change:
    return lambda x, source: crop(x, share, source)


def _median(x: Tensor, _: torch.Generator) -> Tensor:
    return torch.from_numpy(median_filter(x.numpy(), (1, 1, 3, 3)))


def _shift(x: Tensor, _: torch.Generator) -> Tensor:
    return F.pad(x, (1, 0, 0, 0), mode="replicate")[..., :-1]


#: By kind and strength, mild ones first.
CURVES: dict[str, dict[str, Change]] = {
    "JPEG quality": {f"{q}": _file("JPEG", q) for q in (98, 95, 90, 75, 50, 30)},
    "WebP quality": {f"{q}": _file("WEBP", q) for q in (98, 95, 90, 75, 50, 30)},
    "noise, sigma in grey levels": {f"{s:g}": _noise(s) for s in (0.25, 0.5, 1, 2, 4, 8)},
    "blur, sigma in pixels": {f"{s:g}": _blur(s) for s in (0.2, 0.3, 0.4, 0.6, 1)},
    "resized by a factor and back": {f"{f:g}": _resized(f) for f in (0.97, 0.9, 0.75, 0.5)},
    "cropped to a share of the side and resized": {
        f"{s:g}": _cropped(s) for s in (0.97, 0.94, 0.86, 0.75)
    },
    "other": {"shifted by one pixel": _shift, "median of 3x3": _median},
}


def changed(images: Tensor, seed: int) -> Mapping[tuple[str, str], Tensor]:
    """The images after every change, by kind and strength."""
    return {
        (kind, strength): change(images, torch.Generator().manual_seed(seed))
        for kind, curve in CURVES.items()
        for strength, change in curve.items()
    }


def through_layer(
    images: Tensor, layer: FinalLayer, output_map: OutputMap, anchor: Tensor
) -> Tensor:
    """Made anew by a final layer: x' = sigma(W z + b) with z recovered from x."""
    inverter = FinalLayerInverter(layer, output_map, anchor)
    output = output_map.activate(layer(inverter.invert(images).z)).reshape(images.shape)
    return quantise(output_map.to_pixels(output))


def through_generator(images: Tensor, generator: SplitGenerator) -> Tensor:
    """`through_layer` of a generator."""
    anchor = generator.mean_activation(500, 1)
    return through_layer(images, generator.layer, generator.output_map, anchor)


def autoencoder(training: Tensor, steps: int, seed: int) -> nn.Module:
    """A small convolutional autoencoder, trained on (n, 1, height, width) in [0, 1]."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 16, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(16, 32, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip
        optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
        for _ in range(steps):
            batch = training[torch.randint(len(training), (64,))]
            loss = F.mse_loss(network(batch), batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval().requires_grad_(False)
