"""Decoders of diffusers' autoencoders, trained on patches of photographs, 32x32 RGB."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._kept import PATCHES, kept, photo_dcgan
from benchmarks.domains_parts._sizes import scaled, settings
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.demo.photos import photo_patches
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.registry.format_diffusers import LatentDecoder

SIZE, STEPS, BATCH = 32, 300, 16
_LATENTS, _NEGATIVES, _TESTS = 60_606, 70_707, 80_808


def autoencoder(kind: str, seed: int) -> Any:
    """diffusers' AutoencoderKL or VQModel after STEPS steps of reconstruction."""
    return kept(f"{kind.lower()}-{STEPS}-{seed}", lambda: _build(kind), lambda: _train(kind, seed))


def _build(kind: str) -> Any:
    import diffusers

    return getattr(diffusers, kind)(
        block_out_channels=(16, 32), norm_num_groups=4, latent_channels=4, sample_size=SIZE,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip


def _train(kind: str, seed: int) -> nn.Module:
    images = photo_patches("generator", PATCHES, SIZE) * 2 - 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _build(kind)
        optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
        for _ in range(STEPS):
            batch = images[torch.randint(len(images), (BATCH,))]
            if kind == "VQModel":
                h = module.encode(batch).latents
                loss = module.quantize(h)[1].mean()
                made = module.decode(h).sample
            else:
                distribution = module.encode(batch).latent_dist
                loss = 1e-4 * distribution.kl().mean()
                made = module.decode(distribution.sample()).sample
            optimiser.zero_grad(set_to_none=True)
            (loss + (made - batch).square().mean()).backward()
            optimiser.step()
    return module


@torch.no_grad()
def latents(module: Any, count: int, seed: int) -> Tensor:
    """What stands in for a denoiser's latents: those of photographs, somewhat disturbed."""
    parts = []
    for images in torch.split(photo_patches("generator", count, SIZE, seed), 128):
        found = module.encode(images * 2 - 1)
        parts.append(found.latents if hasattr(found, "latents") else found.latent_dist.mean)
    z = torch.cat(parts)
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed))
    return z + 0.1 * z.std() * noise


def split(module: Any, count: int, seed: int) -> SplitGenerator:
    """The decoder behind `count` recorded latents."""
    decoder = LatentDecoder(module, torch.tensor(1.0), torch.tensor(0.0))
    recorded = latents(module, count, seed)
    metadata = {"latent": {"shape": list(recorded.shape[1:])}}
    return split_generator(decoder, metadata, latents=recorded)


def decoder_material(kind: str, title: str, budget: float, seed: int) -> Material:
    """Seed 0's decoder against photographs, another seed that it has seen, one that it has not,
    the other kind of decoder and a DCGAN."""
    chosen = settings(
        budget, seed, own_train=scaled(500, budget), own_calibration=scaled(400, budget),
        second_moments=False, recompressed=0.0,
    )  # fmt: skip
    drawn = chosen.own_train + chosen.own_calibration + chosen.own_test
    own, count = autoencoder(kind, 0), scaled(150, budget)
    other = "VQModel" if kind == "AutoencoderKL" else "AutoencoderKL"

    def samples(module: Any, number: int, purpose: int) -> Tensor:
        return split(module, number, purpose + seed).sample(number, purpose + seed)

    return Material(
        title=title,
        generator=split(own, drawn, _LATENTS + seed),
        negatives={
            "photographs": ForeignImages(
                photo_patches("negatives", scaled(600, budget), SIZE, _NEGATIVES + seed)
            ),
            "version 2": ForeignImages(
                samples(autoencoder(kind, 1), scaled(400, budget), _NEGATIVES), sibling=True
            ),
        },
        own_test=samples(own, scaled(200, budget), OWN_TEST_SEED),
        tests={
            "photographs": photo_patches("scan", count, SIZE, _TESTS + seed),
            "version 2": samples(autoencoder(kind, 1), count, _TESTS),
            "version 3": samples(autoencoder(kind, 2), count, _TESTS),
            other: samples(autoencoder(other, 0), count, _TESTS),
            "dcgan": photo_dcgan().sample(count, _TESTS + seed),
        },
        unseen=("version 3", other, "dcgan"),
        settings=chosen,
        note=f"diffusers' {kind}, 32x32 RGB, {STEPS} steps of {PATCHES} patches of two "
        "photographs; latents are those of photographs with a tenth of noise, no denoiser. "
        "Statistics without second moments: few own samples.",
    )
