"""A public face generator against photographs and somebody else's training of it."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.regeneration_parts.faces import face_dcgan, other_face_dcgan
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
    foreign_photographs,
    photo_settings,
    with_detail,
)
from benchmarks.regeneration_parts.photographs import patches

SECTION, TARGET, SIZE = "faces", "gan_face_generate", 64
OWN, WITNESS_OWN, WITNESS_FOREIGN, TESTED = 600, 120, 60, 80
_SEED = 717_171


def fitted_faces(field: Field) -> Fitted:
    """With photographs as the only foreign images."""
    generator = face_dcgan()
    settings = photo_settings(field, OWN, WITNESS_OWN, WITNESS_FOREIGN)
    return kept_fit(
        field, "face-dcgan", generator,
        lambda: fit_reported(generator, foreign_photographs(field, SIZE), settings),
    )  # fmt: skip


def faces(field: Field) -> Iterator[Row]:
    """The other training's faces are no photographs, and no fit saw any."""
    fitted, count = fitted_faces(field), field.count(TESTED)
    yield {"section": SECTION, "target": TARGET, "how": "fit", **fitted.facts}
    sets = {"own": face_dcgan().sample(count, _SEED)}
    sets["other training"] = other_face_dcgan().sample(count, _SEED)
    photographs, facts = with_detail(*patches(SIZE, 1, TEST_FOREIGN, "unseen"), count)
    sets["photographs"], of = photographs, {"photographs": facts}
    yield from verdict_rows(fitted, sets, of, section=SECTION, target=TARGET, how="as made")
