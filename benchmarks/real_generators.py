"""Benchmark of real generators: what one fit finds of their own, and of others' images.

    python -m benchmarks.real_generators                 # every generator whose weights are here
    python -m benchmarks.real_generators --only taef2    # one again, the rest as it was
    python -m benchmarks.real_generators --recipe fast   # minutes instead of hours

Writes benchmarks/results/real_generators.json. A fit has photographs alone as its foreign source;
own images, photographs and siblings of the test were seen by no fit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.real_parts.compact_upscaler import compact_upscaler
from benchmarks.real_parts.conditional_wgan import conditional_wgan
from benchmarks.regeneration_parts import taef2, upscalers
from benchmarks.regeneration_parts.photographs import patches
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from tests.docs.forms_table import CONVERT, NO, SECTIONS, TOLD, YES

Row = dict[str, Any]
NAME = "real_generators"
#: Images of each kind in the test, and patches of each origin in a fit.
SHOWN, PER_ORIGIN = 300, 24
#: Seeds of patches: own inputs, foreign ones of the fit; own inputs and photographs of the test.
OWN, FOREIGN, TEST_OWN, TEST_FOREIGN = 11, 12, 13, 14
RECORDED = {"distribution": "recorded"}


def _grey(images: Tensor) -> Tensor:
    return quantise(images.mean(dim=1, keepdim=True))


def _recorded(module: Any, latents: Tensor) -> SplitGenerator:
    """A generator without a word about its range."""
    metadata = {"latent": {"shape": list(latents.shape[1:]), **RECORDED}}
    return split_generator(module.eval(), metadata, latents=latents, name="real", version="1")


def _wgan(part: str, count: int) -> tuple[SplitGenerator, dict[str, Tensor]]:
    metadata = {"latent": {"shape": [10]}, "inputs": ["latent", {"classes": 10}]}
    return split_generator(conditional_wgan(), metadata, name="real", version="1"), {}


def _taef2(part: str, count: int) -> tuple[SplitGenerator, dict[str, Tensor]]:
    with torch.no_grad():
        latents = torch.cat([taef2.encode(some) for some in _inputs(part, count, 64).split(32)])
    return _recorded(taef2.decoder(), latents), {}


def _compact(part: str, count: int) -> tuple[SplitGenerator, dict[str, Tensor]]:
    return _recorded(compact_upscaler(), _inputs(part, count, 16)), {}


def _esrgan(factor: int) -> Callable[[str, int], tuple[SplitGenerator, dict[str, Tensor]]]:
    def made(part: str, count: int) -> tuple[SplitGenerator, dict[str, Tensor]]:
        network = upscalers.esrgan_slim(factor)
        inputs = _inputs(part, count, upscalers.inputs_for(network))
        return _recorded(upscalers.Upscaling(network), inputs), {}

    return made


def _waifu(member: str) -> Callable[[str, int], tuple[SplitGenerator, dict[str, Tensor]]]:
    def made(part: str, count: int) -> tuple[SplitGenerator, dict[str, Tensor]]:
        inputs = _inputs(part, count, 32)
        siblings = {}
        if part == "unseen":
            others = (each for each in upscalers.WAIFU2X if each != member)
            siblings = {
                other: upscalers.images_of(upscalers.waifu2x(other), inputs[:SHOWN])
                for other in others
            }
        network = upscalers.Upscaling(upscalers.waifu2x(member))
        return _recorded(network, inputs), siblings

    return made


#: What gives the generator with inputs of a part, and, of part "unseen", images of siblings.
GENERATORS: dict[str, Callable[[str, int], tuple[SplitGenerator, dict[str, Tensor]]]] = {
    "cwgan_mnist": _wgan,
    "taef2": _taef2,
    "realesr_animevideov3": _compact,
    **{f"esrgan_slim x{factor}": _esrgan(factor) for factor in (2, 4)},
    **{f"waifu2x {member}": _waifu(member) for member in ("plain", "noise0", "noise2")},
}


def _inputs(part: Any, count: int, size: int) -> Tensor:
    """Photographs as inputs; never the same origin in a fit and in the test."""
    seed = OWN if part == "fit" else TEST_OWN
    return patches(size, count // 90 + 2, seed, part)[0][:count]


def _photographs(part: Any, shape: tuple[int, ...], per_origin: int) -> tuple[Tensor, list[str]]:
    seed = FOREIGN if part == "fit" else TEST_FOREIGN
    side = max(shape[1:])
    images, names = patches(side, per_origin, seed, part)
    if tuple(images.shape[2:]) != shape[1:]:
        images = quantise(F.interpolate(images, shape[1:], mode="area"))
    return (_grey(images) if shape[0] == 1 else images), names


def row(name: str, settings: FitSettings) -> Row:
    """One fit, and what it says of images that nobody has shown it."""
    begun = time.process_time()
    count = settings.own_train + settings.own_calibration + settings.own_test
    generator, _ = GENERATORS[name]("fit", count)
    images, groups = _photographs("fit", generator.sample_shape, PER_ORIGIN)
    fitted = fit_attributor(
        generator, {"photographs": ForeignImages(images, groups)}, settings
    ).attributor
    unseen, siblings = GENERATORS[name]("unseen", SHOWN)
    own = unseen.sample(SHOWN, seed=10**6)
    photographs, _ = _photographs("unseen", generator.sample_shape, 4)
    return {
        "generator": name,
        "range": [generator.output_map.low, generator.output_map.high],
        "ending": str(generator.ending or ""),
        "own": len(own),
        "own_found": _share(fitted, own),
        "photographs": len(photographs),
        "photographs_attributed": _share(fitted, photographs),
        "siblings_attributed": {key: _share(fitted, each) for key, each in siblings.items()},
        "cpu_s": round(time.process_time() - begun),
    }


def _share(fitted: Attributor, images: Tensor) -> float:
    found = [fitted.score(some).attributed.mean() * len(some) for some in torch.split(images, 64)]
    return round(float(sum(found)) / len(images), 4)


def summarise(rows: list[Row]) -> Row:
    """Flat figures."""
    verdicts = [form.verdict for section in SECTIONS.values() for form in section]
    siblings = [value for each in rows for value in each["siblings_attributed"].values()]
    by_name = {each["generator"]: each for each in rows}
    taef = by_name.get("taef2", {})
    return {
        "forms_accepted": verdicts.count(YES) + verdicts.count(TOLD),
        "forms_refused": verdicts.count(NO) + verdicts.count(CONVERT),
        "forms_refused_with_working_remedy": verdicts.count(TOLD),
        "generators": len(rows),
        "own_found_min": min((each["own_found"] for each in rows), default=None),
        "foreign_attributed_max": max((r["photographs_attributed"] for r in rows), default=None),
        "siblings_attributed_max": max(siblings, default=None),
        "taef2_own": taef.get("own_found"),
        "taef2_photos_attributed": taef.get("photographs_attributed"),
    }


def main() -> None:
    """Run and write after every generator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="comma-separated: " + ", ".join(GENERATORS))
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / f"{NAME}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = {each["generator"]: each for each in old.get("rows", [])}
    for name in (options.only or ",".join(GENERATORS)).split(","):
        try:
            rows[name] = {**row(name, recipe(options.recipe)), "recipe": options.recipe}
        except FileNotFoundError as error:
            print(f"{name}: {error}")
            continue
        print(rows[name], flush=True)
        listed = [rows[each] for each in GENERATORS if each in rows]
        write_json(path, {"summary": summarise(listed), "rows": listed, "machine": machine()})


if __name__ == "__main__":
    main()
