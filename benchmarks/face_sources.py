"""Images around the public face DCGAN: negatives for its fit, and foreign images to scan.

    python benchmarks/face_sources.py --out .

writes, all 64x64 and 8-bit PNG:

    photos/            patches of eleven photographs that Python packages ship, as negatives
    others/            samples of somebody else's face generator, negatives too
    found/photos/      patches of five further photographs, never seen by the fit
    found/other-faces/ new samples of that other generator
"""

from __future__ import annotations

import argparse
from pathlib import Path

from flipad_ops.demo.photographs import scanned_patches, write_negatives
from flipad_ops.demo.published import SIDE, other_generator, outputs
from flipad_ops.generators import default_output_map, quantise
from flipad_ops.samples.png import save_png

#: Negatives: patches of each photograph, and samples of the other generator.
PER_PHOTOGRAPH, OTHERS = 60, 500


def main() -> None:
    """Write the four folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--count", type=int, default=200, help="foreign images of a kind to scan")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_negatives(options.out / "photos", PER_PHOTOGRAPH, SIDE, options.seed)
    scanned = options.out / "found" / "photos"
    scanned.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(scanned_patches(options.count, SIDE, options.seed)):
        image.save(scanned / f"{index:04d}.png")
    other = other_generator()
    for folder, seed, count in (("others", 1, OTHERS), ("found/other-faces", 2, options.count)):
        made = default_output_map("tanh").to_pixels(outputs(other, count, options.seed + seed))
        for index, pixels in enumerate(quantise(made)):
            save_png(pixels, options.out / folder / f"{index:04d}.png")


if __name__ == "__main__":
    main()
