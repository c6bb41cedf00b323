"""What happened to an image, for people."""

from __future__ import annotations

from typing import Any

import pytest

from flipad_ops.attribution.alteration_words import words

NONE = [[0.0] * 5, [0.0] * 5, [0.0, 0.0, 1.0, 0.0, 0.0], [0.0] * 5, [0.0] * 5]
SOFT = [[0.04] * 5] * 5
STILL: dict[str, Any] = {"zoom": 0.0, "down": 0.0, "right": 0.0, "side": 0, "filter": NONE}


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ({}, "as made"),
        ({"noise": 1.24}, "as made, to within 1.2 grey levels"),
        ({"jpeg": 85}, "JPEG 85"),
        ({**STILL, "zoom": 0.105}, "cropped to 90% of its sides"),
        ({**STILL, "down": -1.0, "right": 0.5}, "moved by 0.5 and -1.0 pixels"),
        ({**STILL, "side": 24, "jpeg": 85}, "resized to 24 pixels and back, JPEG 85"),
        (
            {**STILL, "filter": SOFT, "noise": 2.0},
            "blurred by 1.4 pixels, to within 2.0 grey levels",
        ),
    ],
)
def test_alterations_in_words(done: dict[str, Any], said: str) -> None:
    assert words(done) == said
