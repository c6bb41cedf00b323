"""A small StyleGAN2 generator with output skips, and its training (Karras et al., 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.demo.gan import discriminator
from flipad_ops.generators.adversarial import train_pair
from flipad_ops.generators.skip import STYLEGAN2

LATENT, BATCH = 64, 32


class Modulated(nn.Module):
    """A convolution whose input channels the style scales, and perhaps its outputs back."""

    def __init__(self, inside: int, out: int, kernel: int, demodulate: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, inside, kernel, kernel))
        self.style = nn.Linear(LATENT, inside)
        nn.init.ones_(self.style.bias)
        self.bias = nn.Parameter(torch.zeros(out, 1, 1))
        self.gain, self.demodulate = 1 / math.sqrt(inside * kernel**2), demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features (n, inside, h, w) and styles' source (n, LATENT) to (n, out, h, w)."""
        n, (out, inside, kernel, _) = x.shape[0], self.weight.shape
        weight = self.gain * self.weight[None] * self.style(w)[:, None, :, None, None]
        if self.demodulate:
            weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        made = F.conv2d(
            x.reshape(1, n * inside, *x.shape[2:]), weight.reshape(n * out, inside, kernel, kernel),
            padding=kernel // 2, groups=n,
        )  # fmt: skip
        return made.reshape(n, out, *x.shape[2:]) + self.bias


class Level(nn.Module):
    """One resolution: two convolutions and toRGB."""

    def __init__(self, inside: int, out: int, colours: int) -> None:
        super().__init__()
        self.first, self.second = Modulated(inside, out, 3, True), Modulated(out, out, 3, True)
        self.rgb = Modulated(out, colours, 1, False)

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """The level's features and its contribution to the image."""
        for layer in (self.first, self.second):
            x = math.sqrt(2) * F.leaky_relu(layer(x, w), 0.2)
        return x, self.rgb(x, w)


class Generator(nn.Module):
    """(batch, LATENT) to (batch, colours, size, size) without an output activation."""

    def __init__(self, colours: int = 3, size: int = 32, width: int = 16) -> None:
        super().__init__()
        widths = [4 * width, 4 * width, 2 * width, width][-int(math.log2(size / 4)) - 1 :]
        self.mapping = nn.Sequential(
            nn.Linear(LATENT, LATENT), nn.LeakyReLU(0.2), nn.Linear(LATENT, LATENT),
            nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        pairs = zip([widths[0], *widths], widths, strict=False)
        self.levels = nn.ModuleList(Level(inside, out, colours) for inside, out in pairs)
        self.ups = nn.ModuleList(Upsample(colours, 4 * 2**step) for step in range(len(widths) - 1))

    def forward(self, latent: Tensor) -> Tensor:
        """Images of the latents."""
        w = self.mapping(latent * (latent.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        x = self.constant.expand(latent.shape[0], -1, -1, -1)
        x, image = self.levels[0](x, w)
        for level, up in zip(self.levels[1:], self.ups, strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x, rgb = level(x, w)
            image = rgb + up(image)
        return image


class Upsample(nn.Module):
    """The fixed FIR upsampling of the skip image."""

    def __init__(self, colours: int, size: int) -> None:
        super().__init__()
        self.register_buffer("line", STYLEGAN2.block(colours, (size, size)).rows, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """(n, colours, size, size) to twice the size."""
        return self.line @ image @ self.line.T


def train_stylegan2(
    images: Tensor, *, steps: int, seed: int, width: int = 16, fork: int = 0
) -> Generator:
    """Train with the non-saturating loss on (n, colours, size, size) in [0, 1].

    From the step `fork` on (never at 0) batches and latents are others than `seed` gives: what
    comes out shares its youth with the generator of the same seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(images.shape[1], images.shape[2], width)
        critic = discriminator(images.shape[2], images.shape[1], 16)

        def draw(step: int) -> tuple[Tensor, Tensor]:
            if fork and step == fork:
                torch.manual_seed(seed + 1000)
            real = images[torch.randint(len(images), (BATCH,))] * 2 - 1
            return real, generator(torch.randn(BATCH, LATENT))

        train_pair(generator, critic, draw, steps, rates=(1e-3, 3e-4), betas=(0.0, 0.99))
    return generator.eval()
