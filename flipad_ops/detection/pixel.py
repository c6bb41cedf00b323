"""A view of pixels alone for images that were altered on their way: a small convolutional network.

Lossy compression, noise and resampling wipe out what an inversion recovers, but not what an image
looks like (the paper's RawPAD hardly drops where FLIPAD does). The network is trained to tell own
images from foreign ones, both altered in the same ways; batch norm and weight decay keep it tame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.detection.bands import has_spectrum
from flipad_ops.detection.deepsad import in_chunks
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

WIDTH, HIDDEN = 16, 64
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 10, 64, 4e-3, 1e-2
#: Larger images are averaged down to at most this side: what an alteration leaves is coarse.
MAX_SIDE = 32


class PixelView(View):
    """Log-odds of "not ours" for (channels, height, width) pixels.

    Parameters
    ----------
    shape : (channels, height, width)
        Of one image; sides of at least 8.
    """

    name = "pixel"

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, *sides = shape
        self.factor = max(1, -(-max(sides) // MAX_SIDE))
        sides = [-(-side // self.factor) for side in sides]
        layers: list[nn.Module] = []
        width = WIDTH
        while min(sides) >= 8:
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.1),
                nn.MaxPool2d(2),
            ]
            channels, width, sides = width, min(2 * width, 4 * WIDTH), [s // 2 for s in sides]
        self.body = nn.Sequential(
            *layers, nn.Flatten(1), nn.Linear(channels * sides[0] * sides[1], HIDDEN),
            nn.LeakyReLU(0.1), nn.Linear(HIDDEN, 1),
        )  # fmt: skip

    def odds(self, pixels: Tensor) -> Tensor:
        """(n, *shape) in [0, 1] to log-odds (n,), float32."""
        x = pixels.float() * 2 - 1
        if self.factor > 1:
            x = F.avg_pool2d(x, self.factor, ceil_mode=True)
        odds: Tensor = self.body(x)[:, 0]
        return odds

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """(n, *shape) to positive anomaly scores (n,), float64, independent of the batch's size."""
        self.eval()
        return F.softplus(in_chunks(self.odds, pixels).double())

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """Of copies altered in every way, for the branch of lossy files."""
        data, settings = material.data, material.settings
        if material.branch != "lossy":
            return None
        return fit_pixels(
            data.own_augmented, data.foreign_augmented,
            seed=settings.seed, device=settings.device,
        )  # fmt: skip

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        return cls(stored.sample_shape)


def fit_pixels(own: Tensor, foreign: Tensor, *, seed: int, device: str = "cpu") -> PixelView:
    """Fit to altered images, own and foreign weighted alike.

    Parameters
    ----------
    own, foreign : Tensor, float32, (n, channels, height, width) in [0, 1]
    seed : int
        Fixes initial weights and batch order.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        view = PixelView(tuple(own.shape[1:])).to(device).train()
        images = torch.cat([own, foreign])
        labels = torch.cat([torch.zeros(len(own)), torch.ones(len(foreign))])
        weights = torch.where(labels == 0, 0.5 / len(own), 0.5 / len(foreign)) * len(images)
        optimiser = torch.optim.AdamW(
            view.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        batches = [len(part) for part in torch.split(images, BATCH)]
        # Batch norm needs two.
        steps = EPOCHS * sum(size > 1 for size in batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(images)), BATCH):
                if len(rows) < 2:
                    continue
                odds = view.odds(images[rows].to(device))
                truth, weight = labels[rows].to(device), weights[rows].to(device)
                loss = F.binary_cross_entropy_with_logits(odds, truth, weight)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    return view.eval().requires_grad_(False)


def can_view_pixels(shape: tuple[int, ...]) -> bool:
    """Whether samples of `shape` are images that files can hold and the network can see."""
    return has_spectrum(shape) and shape[0] in (1, 3)
