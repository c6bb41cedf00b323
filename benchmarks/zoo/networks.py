"""The zoo's networks: 64 normal latents to (1, 32, 32), each with another way to its last layer."""

from __future__ import annotations

from torch import Tensor, nn

from flipad_ops.demo.gan import Generator as Dcgan

LATENT = 64


def dcgan() -> nn.Module:
    """Transposed convolutions throughout; the last is 4x4 with stride 2. Also the demo's."""
    return Dcgan(size=32, channels=1, width=32, latent=LATENT)


def wgan_gp() -> nn.Module:
    """Like the DCGAN, with 6x6 kernels."""
    return nn.Sequential(
        *_start(64, 4),
        nn.ConvTranspose2d(64, 48, 6, 2, 2, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
        nn.ConvTranspose2d(48, 32, 6, 2, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 6, 2, 2), nn.Tanh(),
    )  # fmt: skip


def lsgan() -> nn.Module:
    """Nearest upsampling and 3x3 convolutions."""
    return nn.Sequential(
        *_start(48, 8),
        nn.Upsample(scale_factor=2), nn.Conv2d(48, 24, 3, 1, 1, bias=False),
        nn.BatchNorm2d(24), nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2), nn.Conv2d(24, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip


def ebgan() -> nn.Module:
    """Transposed convolutions up to the full size, then one of stride 1."""
    return nn.Sequential(
        *_start(96, 4),
        nn.ConvTranspose2d(96, 48, 4, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
        nn.ConvTranspose2d(48, 24, 4, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.ConvTranspose2d(24, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip


def vae() -> nn.Module:
    """The decoder: bilinear upsampling, a 5x5 convolution last, a sigmoid."""
    return nn.Sequential(
        *_start(48, 8),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(48, 24, 3, 1, 1), nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(24, 16, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(16, 1, 5, 1, 2), nn.Sigmoid(),
    )  # fmt: skip


ARCHITECTURES = {
    "dcgan": dcgan, "wgan-gp": wgan_gp, "lsgan": lsgan, "ebgan": ebgan, "vae": vae,
}  # fmt: skip


def _start(features: int, side: int) -> list[nn.Module]:
    return [
        nn.Flatten(1), nn.Linear(LATENT, features * side * side, bias=False),
        nn.Unflatten(1, (features, side, side)), nn.BatchNorm2d(features), nn.ReLU(),
    ]  # fmt: skip


def critic(norm: bool = True) -> nn.Sequential:
    """(batch, 1, 32, 32) to (batch, 1, 1, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inside, out in ((16, 32), (32, 64)):
        layers.append(nn.Conv2d(inside, out, 4, 2, 1, bias=not norm))
        layers += [nn.BatchNorm2d(out)] if norm else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Conv2d(64, 1, 4))


class AutoEncoder(nn.Module):
    """EBGAN's discriminator: the energy of an image is how badly it is rebuilt."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Energies (batch,)."""
        return (self.body(images) - images).square().mean(dim=(1, 2, 3))


def encoder() -> nn.Sequential:
    """The VAE's encoder: mean and log variance side by side, (batch, 2 * LATENT)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
        nn.Flatten(1), nn.Linear(32 * 8 * 8, 2 * LATENT),
    )  # fmt: skip
