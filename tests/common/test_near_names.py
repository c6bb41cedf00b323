from __future__ import annotations

import pytest

from flipad_ops.common.near_names import did_you_mean


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("modle", "; did you mean 'model'?"),
        ("FACES", "; did you mean 'Faces'?"),
        ("zebra", "."),
        ("", "."),
    ],
)
def test_did_you_mean(word: str, said: str) -> None:
    assert did_you_mean(word, ["model", "Faces", "fdr"]) == said
