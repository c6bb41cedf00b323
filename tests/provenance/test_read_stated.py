"""What programs and signers write into their files is read as they wrote it."""

from __future__ import annotations

import io
import json
import sys

import pytest
from PIL import Image

from flipad_ops.provenance import NOTHING, Stated
from flipad_ops.samples.decode import DEFAULT_LIMITS, decode
from flipad_ops.samples.decoder import DecodeJob
from flipad_ops.samples.decoding_worker import decode_reply, encode_reply
from flipad_ops.samples.image_space import Images
from tests.bad_inputs.provenance_blocks import jpeg, texted, with_exif
from tests.provenance.c2pa_signed import signed_jpeg

A1111 = (
    "a cat, Model hash: 0000000000\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, "
    "Size: 512x512, Model hash: 6ce0161689, Model: v1-5-pruned, VAE hash: 735e4c3a44, "
    'Version: v1.9.4, Hashes: {"model": "6ce0161689"}'
)
PROMPT = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd/faces.safetensors"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["4", 0], "seed": 1}},
}
DIGEST = "6ce0161689" + "ab" * 27
WORKFLOW = {
    "nodes": [
        {"type": "UNETLoader", "widgets_values": ["flux.gguf", "default"]},
        {"properties": {"models": [{"name": "x", "hash": DIGEST, "hash_type": "SHA256"}]}},
    ]
}
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Adobe Firefly"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">%s
</rdf:Description></rdf:RDF></x:xmpmeta>"""
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
IN_TEXT = f"<Iptc4xmpExt:DigitalSourceType>{SOURCE}</Iptc4xmpExt:DigitalSourceType>"
AS_RESOURCE = f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{SOURCE}"/>'
FIREFLY = Stated(software=("Adobe Firefly",), source_type="trainedAlgorithmicMedia")


def webp(make: str) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[271] = make
    Image.new("RGB", (8, 8)).save(file, "WEBP", exif=exif)
    return file.getvalue()


def iptc() -> bytes:
    sets = b"\x1c\x02A\0\x04Foto\x1c\x02F\0\x037.1"
    block = b"8BIM\x04\x04\0\0" + len(sets).to_bytes(4, "big") + sets + b"\0" * (len(sets) % 2)
    return jpeg((0xED, b"Photoshop 3.0\0" + block))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        pytest.param(texted(), NOTHING, id="nothing"),
        pytest.param(
            texted(parameters=A1111),
            Stated(
                ("AUTOMATIC1111 v1.9.4",), ("v1-5-pruned",), ("6ce0161689", "735e4c3a44"),
            ),
            id="A1111, PNG",
        ),
        pytest.param(
            with_exif({0x8769: {0x9286: b"UNICODE\0" + A1111.encode("utf-16-be")}}),
            Stated(
                ("AUTOMATIC1111 v1.9.4",), ("v1-5-pruned",), ("6ce0161689", "735e4c3a44"),
            ),
            id="A1111, JPEG",
        ),
        pytest.param(
            texted(prompt=json.dumps(PROMPT)),
            Stated(("ComfyUI",), ("sd/faces.safetensors",)),
            id="ComfyUI, prompt",
        ),
        pytest.param(
            texted(workflow=json.dumps(WORKFLOW)),
            Stated(("ComfyUI",), ("flux.gguf",), (DIGEST,)),
            id="ComfyUI, workflow",
        ),
        pytest.param(
            webp("prompt:" + json.dumps(PROMPT)),
            Stated(("ComfyUI",), ("sd/faces.safetensors",)),
            id="ComfyUI, WebP",
        ),
        pytest.param(
            with_exif({305: "Imagine 3"}), Stated(("Imagine 3",)), id="EXIF Software"
        ),
        pytest.param(texted(Software="Imagine 3"), Stated(("Imagine 3",)), id="PNG Software"),
        pytest.param(texted(xmp=XMP % IN_TEXT), FIREFLY, id="XMP, element"),
        pytest.param(texted(xmp=XMP % AS_RESOURCE), FIREFLY, id="XMP, resource"),
        pytest.param(
            jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + (XMP % IN_TEXT).encode())),
            FIREFLY,
            id="XMP, JPEG",
        ),
        pytest.param(iptc(), Stated(("Foto 7.1",)), id="IPTC"),
    ],
)  # fmt: skip
def test_what_is_said(data: bytes, wanted: Stated) -> None:
    assert decode(data).stated == wanted
    job = DecodeJob((Images((3, 8, 8)),), "reject", DEFAULT_LIMITS)
    assert decode_reply(encode_reply(job.run(data)), job).stated == wanted


def test_c2pa_is_named_with_its_signer_and_whether_it_holds() -> None:
    pytest.importorskip("c2pa")
    data = signed_jpeg()
    stated = decode(data).stated
    assert stated.c2pa == "Image Maker, signed by Test Signer, valid"
    assert (stated.software, stated.source_type) == (("Model X",), "trainedAlgorithmicMedia")
    altered = data.replace(b"Image Maker", b"Imagf Maker")
    assert decode(altered).stated.c2pa == "Imagf Maker, signed by Test Signer, invalid"


def test_c2pa_without_its_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.bad_inputs.provenance_blocks import manifest

    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "pip install 'flipad-ops[c2pa]'" in decode(manifest(b"")).stated.said()


def test_a_named_checkpoint_is_one_whose_hash_begins_so() -> None:
    stated = Stated(hashes=("0123456789", "6ce0161689"))
    assert stated.names([DIGEST]) == "6ce0161689"
    assert stated.names(["f" * 64]) == ""
    assert Stated(hashes=("6ce0161689" + "0" * 54,)).names([DIGEST]) == ""


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param([], id="a list"),
        pytest.param({"software": "one"}, id="text for a list"),
        pytest.param({"models": [1]}, id="numbers"),
        pytest.param({"c2pa": ["x"]}, id="list for a text"),
    ],
)
def test_a_record_that_we_did_not_write_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match=r"\."):
        Stated.from_dict(stored)


def test_long_and_odd_texts_are_cut_to_a_plain_line() -> None:
    stated = Stated.from_dict({"software": ["a\x1b[31m\n" * 200, *map(str, range(50))]})
    assert len(stated.software) == 8
    assert all(len(text) <= 160 and text.isprintable() for text in stated.software)
