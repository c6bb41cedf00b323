"""One training loop per kind of generator; images are in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.zoo.networks import ARCHITECTURES, LATENT, AutoEncoder, critic, encoder

BATCH = 32
EBGAN_MARGIN = 0.15
PENALTY = 10.0


def train(
    kind: str, images: Tensor, steps: int, seed: int, start: nn.Module | None = None
) -> nn.Module:
    """Train a generator of `kind` on (n, 1, 32, 32), from `start` where given (a fine-tune)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = ARCHITECTURES[kind]()
        if start is not None:
            generator.load_state_dict(start.state_dict())
        elif kind != "vae":
            for module in generator.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.normal_(module.weight, 0.0, 0.02)
        generator.train()
        LOOPS[kind](generator, images, steps)
    return generator.eval()


def _batch(images: Tensor) -> Tensor:
    return images[torch.randint(len(images), (BATCH,))] * 2 - 1


def _latents() -> Tensor:
    return torch.randn(BATCH, LATENT, 1, 1)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _adversarial(
    generator: nn.Module, judge: nn.Module, images: Tensor, steps: int,
    judge_loss: Callable[[Tensor, Tensor], Tensor], fake_loss: Callable[[Tensor], Tensor],
    judge_steps: int = 1, beta: float = 0.5,
) -> None:  # fmt: skip
    """`judge_loss(real, fake)` on images, `fake_loss(fake)` on images too."""

    def judged() -> Tensor:
        with torch.no_grad():
            fake = generator(_latents())
        return judge_loss(_batch(images), fake)

    in_turn(
        generator, judge, steps, judged, lambda: fake_loss(generator(_latents())), judge_steps,
        lr=2e-4, betas=(beta, 0.999),
    )  # fmt: skip


def in_turn(
    generator: nn.Module, judge: nn.Module, steps: int, judge_loss: Callable[[], Tensor],
    fake_loss: Callable[[], Tensor], judge_steps: int = 1, **moves: Any,
) -> None:  # fmt: skip
    """Train both, each on its own loss of samples of its own; `moves` are Adam's settings."""
    fake_step = torch.optim.Adam(generator.parameters(), **moves)
    judge_step = torch.optim.Adam(judge.parameters(), **moves)
    for _ in range(steps):
        for _ in range(judge_steps):
            descend(judge_step, judge_loss())
        judge.requires_grad_(False)
        descend(fake_step, fake_loss())
        judge.requires_grad_(True)


def _dcgan(generator: nn.Module, images: Tensor, steps: int) -> None:
    judge = critic()
    _adversarial(
        generator, judge, images, steps,
        lambda real, fake: F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean(),
        lambda fake: F.softplus(-judge(fake)).mean(),
    )  # fmt: skip


def _lsgan(generator: nn.Module, images: Tensor, steps: int) -> None:
    judge = critic()
    _adversarial(
        generator, judge, images, steps,
        lambda real, fake: (judge(real) - 1).square().mean() + judge(fake).square().mean(),
        lambda fake: (judge(fake) - 1).square().mean(),
    )  # fmt: skip


def _wgan_gp(generator: nn.Module, images: Tensor, steps: int) -> None:
    judge = critic(norm=False)

    def judge_loss(real: Tensor, fake: Tensor) -> Tensor:
        between = torch.lerp(real, fake, torch.rand(len(real), 1, 1, 1)).requires_grad_()
        slope = torch.autograd.grad(judge(between).sum(), between, create_graph=True)[0]
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return judge(fake).mean() - judge(real).mean() + PENALTY * penalty

    _adversarial(
        generator, judge, images, steps, judge_loss, lambda fake: -judge(fake).mean(), 2, beta=0.0
    )


def _ebgan(generator: nn.Module, images: Tensor, steps: int) -> None:
    judge = AutoEncoder()
    _adversarial(
        generator, judge, images, steps,
        lambda real, fake: judge(real).mean() + F.relu(EBGAN_MARGIN - judge(fake)).mean(),
        lambda fake: judge(fake).mean(),
    )  # fmt: skip


def _vae(generator: nn.Module, images: Tensor, steps: int) -> None:
    reader = encoder()
    both = nn.ModuleList([generator, reader])
    optimiser = torch.optim.Adam(both.parameters(), lr=1e-3)
    for _ in range(steps):
        pixels = (_batch(images) + 1) / 2
        mean, log_variance = reader(pixels * 2 - 1).chunk(2, dim=1)
        latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        rebuilt = generator(latents[..., None, None])
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        error = F.binary_cross_entropy(rebuilt, pixels, reduction="none").sum(dim=(1, 2, 3))
        descend(optimiser, (error + divergence).mean())


LOOPS: dict[str, Callable[[nn.Module, Tensor, int], None]] = {
    "dcgan": _dcgan, "lsgan": _lsgan, "wgan-gp": _wgan_gp, "ebgan": _ebgan, "vae": _vae,
}  # fmt: skip
