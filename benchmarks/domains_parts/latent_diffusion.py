"""The decoder of latent diffusion (SD, SDXL, FLUX): conv_out without an activation."""

from __future__ import annotations

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._decoders import decoder_material


def material(budget: float, seed: int) -> Material:
    """See `decoder_material`."""
    return decoder_material("AutoencoderKL", "Latent diffusion decoder (KL)", budget, seed)
