"""What scorers take, through a decoding process and in this one."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from flipad_ops.common.errors import NotAnImage, UsageError
from flipad_ops.samples.columns import Column, Columns
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.samples.decoder import DecodeJob
from flipad_ops.samples.decoding_client import WORKER, WorkerDecoder
from flipad_ops.samples.image_space import ROUNDED, Arrays, DeepImages, Images
from flipad_ops.samples.row import write_row
from flipad_ops.samples.sample_kinds import decodable, space_of

COLUMNS = Columns((Column("a", 0.0, 10.0), Column("b", -1.0, 1.0)))
JOB = DecodeJob((Images((1, 8, 8)), DeepImages((1, 8, 8)), COLUMNS), "reject", DecodeLimits())


def file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def test_every_kind_comes_through_a_process_as_it_does_here() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8)).astype(np.uint16)
    rows = [write_row({"a": 5, "b": "0.5", "note": "x"}), write_row({"a": "?", "b": 1})]
    files = [file(deep), file(deep, "TIFF"), file((deep >> 8).astype(np.uint8))]
    blobs = [*files, *rows, b"junk"]
    decoder = WorkerDecoder(JOB)
    try:
        there = list(decoder.decode(blobs))
    finally:
        decoder.close()
    for blob, decoded in zip(blobs, there, strict=True):
        here = JOB.run(blob)
        assert decoded.notes == here.notes
        for one, other in zip(decoded.fits, here.fits, strict=True):
            np.testing.assert_array_equal(one, other)
    png, tiff, eight, row, broken, junk = there
    for each in (png, tiff):
        assert np.array_equal(each.fits[1], deep[None])
        assert each.fits[1].dtype == np.uint16
        assert each.notes == (ROUNDED, "", "")
        assert "table" in str(each.fits[2])
    assert "8-bit file" in str(eight.fits[1])
    assert eight.notes == ()
    assert row.fits[2].tolist() == [0.5, 0.75]
    assert "takes images" in str(row.fits[0])
    assert "'?'" in str(broken.fits[2])
    assert all(isinstance(fit, str) for fit in junk.fits)


def test_job_survives_its_json() -> None:
    assert DecodeJob.from_json(JOB.to_json()) == JOB
    assert [space.nbytes for space in JOB.spaces] == [64, 128, 8]
    assert [space.describe() for space in JOB.spaces] == [
        "8x8x1", "8x8x1, 16 bit", "rows of 2 columns",
    ]  # fmt: skip


def test_arrays_become_numbers_between_0_and_1() -> None:
    for kind, top in ((Images, 255), (DeepImages, 65535)):
        space = kind((1, 1, 3))
        found = space.to_tensor(np.array([[0, top // 3, top]], space.dtype))
        assert space.to_stored(found).tolist() == [[0, top // 3, top]]
        torch.testing.assert_close(found, torch.tensor([[0.0, (top // 3) / top, 1.0]]))
    assert COLUMNS.to_tensor(np.array([[0.25]], np.float32)).tolist() == [[0.25]]


def test_samples_of_attributors() -> None:
    assert decodable(space_of(None, (3, 8, 8))) == Images((3, 8, 8))
    for space in (*JOB.spaces, Arrays((5,)), Arrays((2, 2), 16)):
        assert space_of(space.to_metadata(), space.shape) == space
    with pytest.raises(UsageError, match="named columns"):
        decodable(Arrays((5,)))


@pytest.mark.parametrize("value", [None, "", "nan", "inf", [1], {"x": 1}, True and "x"])
def test_a_row_needs_numbers(value: object) -> None:
    with pytest.raises(NotAnImage, match="'a'"):
        COLUMNS.take(write_row({"a": value, "b": 0}))
    for damaged in (b"flipad-row\n{", b"flipad-row\n[1]", b"flipad-row\n" + b"[" * 100_000):
        with pytest.raises(NotAnImage, match="Damaged"):
            COLUMNS.take(damaged)


def test_decoding_processes_load_no_torch() -> None:
    code = f"import sys, {WORKER}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
