"""The decoder of VQ and autoregressive models (LDM-VQ, VQ-Diffusion, aMUSEd)."""

from __future__ import annotations

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._decoders import decoder_material


def material(budget: float, seed: int) -> Material:
    """See `decoder_material`."""
    return decoder_material("VQModel", "VQ decoder", budget, seed)
