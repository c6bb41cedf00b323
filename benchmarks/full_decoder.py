"""Memory and speed of a decoder of full size: Stable Diffusion's, random weights, 512x512, CPU.

    python -m benchmarks.full_decoder

Decodes as `split_generator` does at most (two latents in one traced run), and inverts conv_out in
the paper's window of 128; each in a process of its own, whose peak memory is reported. Seconds are
of one CPU core (process time). Writes benchmarks/results/full_decoder.json.
"""

# This process loads no torch: a child's peak memory is never below its parent's.
from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

from benchmarks.frame.results import RESULTS, write_json

STEPS = ("window", "decode")
WINDOW, SEED, IMAGES = 128, 0, 2


def decode() -> dict[str, float]:
    """Two latents at once, traced."""
    import torch
    from diffusers import AutoencoderKL

    from flipad_ops.generators.trace import run_traced
    from flipad_ops.registry.format_diffusers import LatentDecoder

    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=512,
    ).eval()  # fmt: skip
    decoder = LatentDecoder(vae, torch.tensor(1 / vae.config.scaling_factor), torch.tensor(0.0))
    begin = time.process_time()
    output, call = run_traced(decoder, torch.randn(IMAGES, 4, 64, 64))
    seconds = (time.process_time() - begin) / IMAGES
    assert tuple(output.shape[1:]) == (3, 512, 512)
    assert tuple(call.input.shape[1:]) == (128, 512, 512)
    return {"cpu_s_per_image": seconds}


def window() -> dict[str, float]:
    """conv_out's inversion of the central window, default settings."""
    import torch

    from flipad_ops.attribution.fit_inverter import build_inverter
    from flipad_ops.attribution.fit_settings import recipe
    from flipad_ops.generators import FinalLayer, OutputMap, quantise

    output_map = OutputMap("identity", -1.0, 1.0)
    weight = torch.empty(3, 128, 3, 3).uniform_(-0.03, 0.03)
    shape, size = (128, 512, 512), (3, 512, 512)
    layer = FinalLayer("conv2d", weight, torch.zeros(3), shape, size, padding=(1, 1))
    z = torch.randn(IMAGES, *shape).clamp_min(0)
    pixels = quantise(output_map.to_pixels(layer(z)))
    anchor = z.mean(dim=0)
    del z
    settings = recipe("default", window=WINDOW)
    inverter = build_inverter(layer, output_map, anchor, settings, "cpu")
    begin = time.process_time()
    results = [inverter.invert(image[None]) for image in pixels]
    seconds = (time.process_time() - begin) / IMAGES
    converged = float(torch.cat([r.converged for r in results]).float().mean())
    return {"cpu_s_per_image": seconds, "converged": converged}


def measure(step: str) -> dict[str, Any]:
    """One step; its peak memory includes imports and inputs."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    found = {"decode": decode, "window": window}[step]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**{key: round(value, 2) for key, value in found.items()}, "peak_mib": peak // 2**10}


def main() -> None:
    """All steps, or with the name of one, that one on stdout."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(sys.argv[1])) + "\n")
        return
    facts = {"threads": 1, "images": IMAGES, "seed": SEED, "window": WINDOW}
    rows = {}
    for step in STEPS:
        command = [sys.executable, "-m", "benchmarks.full_decoder", step]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows[step] = json.loads(ended.stdout.splitlines()[-1])
        write_json(RESULTS / "full_decoder.json", {**facts, "steps": rows})


if __name__ == "__main__":
    main()
