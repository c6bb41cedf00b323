"""Real upscalers: five of one architecture and one training, and another family."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.regeneration_parts.field import (
    Field,
    Fitted,
    Row,
    fit_reported,
    kept_fit,
    verdict_rows,
)
from benchmarks.regeneration_parts.photo_fits import (
    TEST_FOREIGN,
    TEST_OWN,
    foreign_photographs,
    own_photographs,
    photo_settings,
    with_detail,
)
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.upscalers import (
    ESRGAN_FACTORS,
    WAIFU2X,
    EsrganSlim,
    Upconv7,
    esrgan_slim,
    images_of,
    inputs_for,
    upscaled,
    waifu2x,
)

SECTION, TARGET, SIZE = "siblings", "noise1", 64
OWN, WITNESS_OWN, WITNESS_FOREIGN, TESTED = 400, 100, 40, 60


def fitted_upscaler(field: Field) -> Fitted:
    """Of noise1, with photographs as the only foreign images."""
    network = waifu2x(TARGET)
    settings = photo_settings(field, OWN, WITNESS_OWN, WITNESS_FOREIGN)
    small = own_photographs(settings, inputs_for(network, SIZE))
    generator = upscaled(network, small, f"waifu2x-{TARGET}")
    return kept_fit(
        field, f"waifu2x-{TARGET}", generator,
        lambda: fit_reported(generator, foreign_photographs(field, SIZE), settings),
    )  # fmt: skip


def siblings(field: Field) -> Iterator[Row]:
    """Nobody told the fit of any sibling; the photographs are of origins that it did not see."""
    fitted, count = fitted_upscaler(field), field.count(TESTED)
    yield {"section": SECTION, "target": TARGET, "how": "fit", **fitted.facts}
    networks: dict[str, Upconv7 | EsrganSlim] = {name: waifu2x(name) for name in WAIFU2X}
    networks |= {f"esrgan-slim x{factor}": esrgan_slim(factor) for factor in ESRGAN_FACTORS}
    sets, of = {}, {}
    for name, network in networks.items():
        side, kind = inputs_for(network, SIZE), "own" if name == TARGET else name
        inputs, origins = patches(side, 1, TEST_OWN, "unseen")
        sets[kind], of[kind] = with_detail(images_of(network, inputs, SIZE), origins, count)
    sets["photographs"], of["photographs"] = with_detail(
        *patches(SIZE, 1, TEST_FOREIGN, "unseen"), count
    )
    yield from verdict_rows(fitted, sets, of, section=SECTION, target=TARGET, how="as made")
