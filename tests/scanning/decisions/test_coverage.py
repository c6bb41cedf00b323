"""What a scan passed by, told from the reasons that its rows have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from flipad_ops.common.errors import ImageError
from flipad_ops.samples.decode import DecodeLimits, decode
from flipad_ops.samples.png import encode_png
from flipad_ops.samples.size_rule import placed
from flipad_ops.scanning.decisions.coverage import Coverage, at_most, beyond_sample
from flipad_ops.storage.target import GONE


def why(make: object) -> str:
    with pytest.raises(ImageError) as caught:
        make()  # type: ignore[operator]
    return str(caught.value)


def kinds(*reasons: str) -> Coverage:
    return Coverage.of(1, 0, [(reason, 1) for reason in reasons])


def test_images_of_another_size_are_told_by_their_reason() -> None:
    large, small = np.zeros((9, 9, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    reasons = [
        why(lambda: placed(large, (3, 8, 8), "reject")),
        why(lambda: placed(small, (3, 8, 8), "centre-crop")),
        why(lambda: placed(small, (3, 8, 8), "search")),
    ]
    assert kinds(*reasons) == Coverage(1, 0, {"for their size": 3})


def test_what_is_no_image_is_none_of_the_images() -> None:
    reasons = [why(lambda: decode(b"")), why(lambda: decode(b"PK\x03\x04")), GONE]
    assert kinds(*reasons) == Coverage(1, 0, {}, 3)


def test_limits_and_damage() -> None:
    whole = encode_png(np.zeros((9, 9, 3), np.uint8))
    reasons = [
        why(lambda: decode(whole, DecodeLimits(max_bytes=10))),
        why(lambda: decode(whole, DecodeLimits(max_pixels=10))),
        why(lambda: decode(whole[:40])),
    ]
    assert kinds(*reasons).skipped == {"over a limit": 2, "damaged or of another kind": 1}


def test_what_is_said() -> None:
    seen = Coverage.of(1, 0, [("9x9 pixels, expected 8x8.", 60)])
    assert seen.said(1.0) == "1 of 61 images scanned; 60 skipped for their size"
    assert seen.said(0.5) == (
        "1 of 61 images scanned; 60 skipped for their size: over 50% were skipped, so the scan is "
        "incomplete"
    )
    assert Coverage(1).said(0.5) == "1 of 1 image scanned"
    assert Coverage(2, 1).said(0.5, "row") == "2 of 3 rows scanned; 1 failed"
    assert Coverage().share_skipped == 0.0


@given(st.integers(1, 400), st.data())
def test_what_a_sample_says_of_all_is_the_largest_number_that_fits(
    listed: int, data: st.DataObject
) -> None:
    scanned = data.draw(st.integers(1, listed))
    found = data.draw(st.integers(0, scanned))
    most = at_most(found, scanned, listed)
    assert found <= most <= listed - (scanned - found)
    assert hypergeom.cdf(found, listed, most, scanned) > 0.05 - 1e-9 or most == found
    if most < listed - (scanned - found):
        assert hypergeom.cdf(found, listed, most + 1, scanned) <= 0.05 + 1e-9
    if scanned == listed:
        assert most == found


def test_a_bound_from_a_sample_holds_19_times_in_20() -> None:
    source, listed, scanned = np.random.default_rng(0), 2000, 100
    for truly in (3, 40, 500):
        seen = source.hypergeometric(truly, listed - truly, scanned, size=400)
        held = np.mean([at_most(int(k), scanned, listed) >= truly for k in seen])
        assert held >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_sample_in_words() -> None:
    assert beyond_sample(0, 100, 10_000) == (
        "0 of a sample of 100 are attributed: of all 10000 objects at most 293 would be (2.9%, "
        "with 95% confidence)"
    )
