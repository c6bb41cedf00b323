"""A testimony survives its records; hostile ones are refused in one sentence."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from flipad_ops.attribution.testimony import Testimony, from_text, pack_latent, to_text
from flipad_ops.common.errors import RecordAltered


def said(**changes: Any) -> Testimony:
    latent, sha256 = pack_latent(torch.arange(6.0).reshape(2, 3))
    whole = Testimony(
        ratio=0.5, psnr=38.0, relative=9.0, alteration={"quality": 85}, words="JPEG 85",
        latent=latent, latent_shape=(2, 3), latent_sha256=sha256, converged=True, steps=120,
        own_farther=0.5, foreign_nearer=0.0, witnesses="both",
    )  # fmt: skip
    return replace(whole, **changes)


def test_a_record_gives_the_testimony_and_the_latent_to_the_bit() -> None:
    again = from_text(to_text(said()))
    assert again == said()
    assert again is not None
    assert torch.equal(again.latents(), torch.arange(6.0).reshape(2, 3))
    assert to_text(None) is None
    assert from_text(None) is None


def test_an_empirical_p_is_kept_where_there_is_one() -> None:
    assert "empirical_p" not in said().to_dict()
    assert from_text(to_text(said(empirical_p=1e-3))) == said(empirical_p=1e-3)
    for value in (-1, 2, "0.1", math.nan, True):
        with pytest.raises(RecordAltered, match="no valid 'empirical_p'"):
            Testimony.from_dict({**said().to_dict(), "empirical_p": value})


def test_infinite_numbers_are_written_as_bounds() -> None:
    written = said(ratio=math.inf, psnr=math.inf).to_dict()
    assert (written["ratio"], written["psnr"]) == (1e9, 1e3)
    assert Testimony.from_dict(json.loads(json.dumps(written))).psnr == 1e3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ratio", -1), ("ratio", "0.5"), ("ratio", True), ("psnr", math.nan), ("words", ""),
        ("words", "x" * 1000), ("words", "a\x1b"), ("words", "a\ud800"),
        ("alteration", {"a": math.nan}), ("alteration", []), ("alteration", {"a": "x" * 30_000}),
        ("latent_shape", [0]), ("latent_shape", [2**40]), ("latent_shape", [1] * 99),
        ("latent_shape", "2"), ("latent_sha256", "x"), ("converged", 1), ("steps", -1),
        ("steps", 1.5), ("own_farther", 1.1), ("witnesses", "all"), ("witnesses", []),
        ("latent", None),
    ],
)  # fmt: skip
def test_fields_out_of_bounds_are_refused(name: str, value: object) -> None:
    for fields in ({**said().to_dict(), name: value}, _without(name)):
        with pytest.raises(RecordAltered, match=f"no valid '{name}'"):
            Testimony.from_dict(fields)


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in said().to_dict().items() if key != name}


@pytest.mark.parametrize("text", ["", "[", "[]", "3", "[" * 100_000])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RecordAltered):
        from_text(text)


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"latent": ""}, "No latent was kept"),
        ({"latent": "é"}, "cannot be unpacked"),
        ({"latent": "AAAA"}, "cannot be unpacked"),
        ({"latent": packed(bytes(24))}, "hash and shape"),
        ({"latent": packed(bytes(10**7))}, "hash and shape"),
        ({"latent_shape": (7,)}, "hash and shape"),
        ({"latent_shape": (2**30,)}, "no valid shape"),
    ],
)
def test_damaged_latents_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecordAltered, match=sentence):
        said(**changes).latents()


def test_a_latent_that_is_not_finite_is_refused() -> None:
    latent, sha256 = pack_latent(torch.full((6,), math.inf))
    with pytest.raises(RecordAltered, match="not finite"):
        said(latent=latent, latent_sha256=sha256, latent_shape=(6,)).latents()
