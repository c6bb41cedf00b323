"""Generators of other people's packages, small and with random weights, as factories.

Each takes one batch of latents and returns what its package returns; where the package wants more
(a time step, a label), that is fixed here, as an owner would who logs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Fixed(nn.Module):
    """A module called with the latents and something fixed, of whose result one field counts."""

    def __init__(self, module: nn.Module, call: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, latents: Tensor) -> Any:
        return self.call(self.module, latents)


def autoencoder_kl() -> nn.Module:
    """diffusers: the autoencoder of Stable Diffusion, SDXL and FLUX."""
    from diffusers import AutoencoderKL

    module = seeded(
        lambda: AutoencoderKL(
            block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, sample_size=16,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )
    )  # fmt: skip
    return Fixed(module, lambda m, z: m.decode(z).sample)


def vq_model() -> nn.Module:
    """diffusers: VQModel, of VQ-Diffusion, LDM and aMUSEd."""
    from diffusers import VQModel

    module = seeded(
        lambda: VQModel(
            block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, sample_size=16,
            num_vq_embeddings=32,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )
    )  # fmt: skip
    with torch.no_grad():  # the default codebook is all but zero
        module.quantize.embedding.weight.normal_()  # type: ignore[union-attr,operator]
    return Fixed(module, lambda m, z: m.decode(z).sample)


def autoencoder_tiny() -> nn.Module:
    """diffusers: TAESD, whose decoder ends in a convolution and 2 x - 1."""
    from diffusers import AutoencoderTiny

    module = seeded(
        lambda: AutoencoderTiny(
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), latent_channels=4,
        )
    )  # fmt: skip
    return Fixed(module, lambda m, z: m.decode(z).sample)


def autoencoder_dc() -> nn.Module:
    """diffusers: the deep compression autoencoder of Sana."""
    from diffusers import AutoencoderDC

    module = seeded(
        lambda: AutoencoderDC(
            latent_channels=4, attention_head_dim=4,
            encoder_block_types="ResBlock", decoder_block_types="ResBlock",
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1),
            encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
        )
    )  # fmt: skip
    return Fixed(module, lambda m, z: m.decode(z).sample)


def temporal_decoder() -> nn.Module:
    """diffusers: the decoder of Stable Video Diffusion, whose last layer runs along time."""
    from diffusers import AutoencoderKLTemporalDecoder

    module = seeded(
        lambda: AutoencoderKLTemporalDecoder(
            block_out_channels=(32, 32), latent_channels=4, layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 2,
        )
    )  # fmt: skip
    return Fixed(module, lambda m, z: m.decode(z, num_frames=1).sample)


def diffusion_transformer() -> nn.Module:
    """diffusers: DiT, whose last linear layer makes patches that are then put in order."""
    from diffusers import DiTTransformer2DModel

    module = seeded(
        lambda: DiTTransformer2DModel(
            num_attention_heads=2, attention_head_dim=8, in_channels=3, out_channels=3,
            num_layers=1, sample_size=16, patch_size=2, num_embeds_ada_norm=10,
            norm_num_groups=2,
        )
    )  # fmt: skip
    return Fixed(
        module,
        lambda m, z: m(
            z, timestep=torch.zeros(z.shape[0], dtype=torch.int64),
            class_labels=torch.zeros(z.shape[0], dtype=torch.int64),
        ).sample,
    )  # fmt: skip


def one_step_unet() -> nn.Module:
    """diffusers: a UNet asked once, as consistency models are."""
    from diffusers import UNet2DModel

    module = seeded(
        lambda: UNet2DModel(
            sample_size=16, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
        )
    )  # fmt: skip
    return Fixed(module, lambda m, z: m(z, 0).sample)


def swin_super_resolution() -> nn.Module:
    """transformers: Swin2SR, which ends in a convolution, a mean and a crop."""
    from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

    config = Swin2SRConfig(
        image_size=16, patch_size=1, embed_dim=12, depths=[1], num_heads=[2], window_size=4,
        upscale=2, upsampler="pixelshuffledirect",
    )  # fmt: skip
    module = seeded(lambda: Swin2SRForImageSuperResolution(config))
    return Fixed(module, lambda m, z: m(z).reconstruction)


def pythae_decoder() -> nn.Module:
    """pythae: the convolutional decoder of its autoencoders for MNIST, with a sigmoid."""
    from pythae.models.ae import AEConfig
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST

    module = seeded(lambda: Decoder_Conv_AE_MNIST(AEConfig(input_dim=(1, 28, 28), latent_dim=16)))
    return Fixed(module, lambda m, z: m(z).reconstruction)


def pythae_flow() -> nn.Module:
    """pythae: a masked autoregressive flow, which ends in a shift and a scale by the latent."""
    from pythae.models.normalizing_flows import MAF, MAFConfig

    module = seeded(lambda: MAF(MAFConfig(input_dim=(12,), n_made_blocks=1, hidden_size=16)))
    return Fixed(module, lambda m, z: m(z).out)


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """Build in evaluation mode from one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval()
