"""Memory and speed of a decoder of full size: Stable Diffusion's, random weights, 512x512, CPU.

    python -m benchmarks.full_decoder

Splits it, samples it and inverts conv_out, the paper's window of 128 and the whole; every step in
a process of its own, whose peak memory is reported. Writes benchmarks/results/full_decoder.json.
"""

# This process loads no torch: a child's peak memory is never below its parent's.
from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "full_decoder.json"
STEPS = ("split", "sample", "window", "whole")
WINDOW, SEED, IMAGES = 128, 0, 2


def measure(step: str) -> dict[str, Any]:
    """Seconds and peak memory of one step, the imports and the step's inputs included."""
    import torch

    from flipad_ops.attributor import build_inverter
    from flipad_ops.fit_settings import recipe
    from flipad_ops.generators import FinalLayer, OutputMap, quantise, split_generator
    from flipad_ops.registry.format_diffusers import LatentDecoder

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    output_map = OutputMap("identity", -1.0, 1.0)
    if step in ("split", "sample"):
        from diffusers import AutoencoderKL

        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            sample_size=512,
        )  # fmt: skip
        decoder = LatentDecoder(vae, torch.tensor(1 / vae.config.scaling_factor), torch.tensor(0.0))
        begin = time.perf_counter()
        split = split_generator(decoder, {"latent": {"shape": [4, 64, 64]}})
        seconds = {"split_s": time.perf_counter() - begin}
        if step == "sample":
            begin = time.perf_counter()
            split.sample(IMAGES, SEED)
            seconds = {"per_image_s": (time.perf_counter() - begin) / IMAGES}
    else:
        window = WINDOW if step == "window" else 0
        weight = torch.empty(3, 128, 3, 3).uniform_(-0.03, 0.03)
        shape, size = (128, 512, 512), (3, 512, 512)
        layer = FinalLayer("conv2d", weight, torch.zeros(3), shape, size, padding=(1, 1))
        z = torch.randn(IMAGES, *shape).clamp_min(0)
        pixels = quantise(output_map.to_pixels(layer(z)))
        anchor = z.mean(dim=0)
        del z
        settings = recipe("default", window=window)
        inverter = build_inverter(layer, output_map, anchor, settings, "cpu")
        begin = time.perf_counter()
        results = [inverter.invert(image[None]) for image in pixels]
        seconds = {
            "per_image_s": (time.perf_counter() - begin) / IMAGES,
            "converged": float(torch.cat([r.converged for r in results]).float().mean()),
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**{k: round(v, 2) for k, v in seconds.items()}, "peak_mib": round(peak / 2**10)}


def main() -> None:
    """All steps, or with the name of one, that one on stdout."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(sys.argv[1])) + "\n")
        return
    rows = {}
    for step in STEPS:
        command = [sys.executable, "-m", "benchmarks.full_decoder", step]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows[step] = json.loads(ended.stdout.splitlines()[-1])
    facts = {"threads": 1, "images": IMAGES, "seed": SEED, "window": WINDOW}
    RESULT.write_text(json.dumps({**facts, "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
