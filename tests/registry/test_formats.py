"""What is refused in each format, and remedies that work when followed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import save_file

from flipad_ops.common.errors import GeneratorUnreadable, LatentUnknown, UsageError
from flipad_ops.generators import split_generator
from flipad_ops.registry import known
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.factory import build_generator
from flipad_ops.registry.formats import read_generator
from flipad_ops.registry.generators import METADATA_TAG
from flipad_ops.registry.model_folder import ModelFolder
from tests.registry import formats
from tests.registry.tiny import LATENT, tiny_generator


def follow(remedy: str, store: str) -> None:
    """Run the line of Python that a remedy gives."""
    (line,) = re.findall(r"MlflowClient\(\)\.set_\w+\(.*\)", remedy)
    mlflow.set_tracking_uri(store)
    exec(line, {"MlflowClient": MlflowClient})


def read(folder: Path, **metadata: Any) -> Any:
    opened = ModelFolder.open(folder)
    return read_generator(opened, {**opened.metadata, **metadata}, "cpu")


def test_an_onnx_model_without_metadata_is_mended_and_joins_its_class(registered: str) -> None:
    mlflow.set_tracking_uri(registered)
    formats.log_onnx("gan", seed=1, metadata=None)
    found = diagnose("gan/1", tracking_uri=registered)
    assert not found.attributable
    assert "ends in ConvTranspose then Tanh" in found.facts["artifact"]
    assert '"shape": [8, 1, 1]' in found.remedy
    follow(found.remedy, registered)
    found = diagnose("gan/1", tracking_uri=registered)
    assert found.facts["latent"] == "[8, 1, 1], normal"
    assert found.facts["equivalence class"] == "tiny/1, gan/1 (cannot be told apart)"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    folder.mkdir()
    save_file(tiny_generator(seed=6)[0].state_dict(), folder / "generator.safetensors")
    return folder


def test_a_factory_runs_only_when_the_operator_allows_it(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (formats.FACTORY, "os:system", "tests.registry.tinyx:TinyDcgan"):
        with pytest.raises(GeneratorUnreadable, match="does not allow") as caught:
            read(plain, factory=name, arguments={})
        assert known.ALLOWED in caught.value.remedy
    monkeypatch.setenv(known.ALLOWED, "else.where, tests.registry.tin")
    with pytest.raises(GeneratorUnreadable, match="does not allow"):
        read(plain, factory=formats.FACTORY)
    for allowed in ("tests.registry.tiny", "else, tests"):
        monkeypatch.setenv(known.ALLOWED, allowed)
        loaded = read(plain, factory=formats.FACTORY, arguments={"width": 8})
        module, metadata = tiny_generator(seed=6)
        same = split_generator(module, metadata)
        split = split_generator(loaded.forward, {"latent": LATENT})
        assert split.decoder_sha256 == same.decoder_sha256
        assert torch.equal(split.sample(2, 1), same.sample(2, 1))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"arguments": {"width": 9}}, "generator.safetensors does not fit"),
        ({"arguments": {"depth": 9}}, "failed: .*depth"),
        ({"arguments": [8]}, "a mapping"),
        ({"weights": "other.safetensors"}, "hold no file"),
        ({"weights": "../plain/../../x.safetensors"}, "outside the model's folder"),
        ({"weights": "notes.txt"}, "not a file of plain tensors"),
        ({"factory": 3}, "must be text"),
        ({"factory": "tests.registry.tiny:LATENT"}, "not callable"),
        ({"factory": "tests.registry.tiny:Nothing"}, "cannot be imported"),
        ({"factory": "tests.registry.tiny:tiny_settings"}, "not a torch module"),
        ({"factory": "nobody"}, "nor a name that an installed package offers"),
    ],
)
def test_plain_artifacts_that_do_not_fit(
    plain: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, Any], reason: str
) -> None:
    monkeypatch.setenv(known.ALLOWED, "tests.registry")
    (plain / "notes.txt").write_text("not weights")
    with pytest.raises(GeneratorUnreadable, match=reason):
        read(plain, **{"factory": formats.FACTORY, **metadata})


def test_several_or_no_weights(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(known.ALLOWED, "tests")
    (plain / "deeper").mkdir()
    shutil.copy(plain / "generator.safetensors", plain / "deeper" / "second.safetensors")
    with pytest.raises(GeneratorUnreadable, match=r"hold 2 \.safetensors") as caught:
        read(plain, factory=formats.FACTORY)
    assert '"weights"' in caught.value.remedy
    kind = read(plain, factory=formats.FACTORY, weights="deeper/second.safetensors").kind
    assert "second.safetensors" in kind


def test_an_installed_package_offers_a_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats.offer(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert known.known_factories()["tinygan"].value == formats.FACTORY
    assert sum(p.numel() for p in build_generator("tinygan", ["width=4"]).parameters()) > 0
    with pytest.raises(UsageError, match="offered: tinygan"):
        build_generator("othergan")


def test_nothing_recognised(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"?")
    with pytest.raises(GeneratorUnreadable, match=r"artifacts: weights\.bin") as caught:
        read(tmp_path)
    assert '"factory"' in caught.value.remedy
    (tmp_path / "flipad.json").write_text("[]")
    with pytest.raises(GeneratorUnreadable, match="not a JSON object"):
        read(tmp_path)


def test_a_doctor_of_plain_artifacts_without_a_word(store: str, plain: Path) -> None:
    mlflow.set_tracking_uri(store)
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(plain), "generator")
    client = MlflowClient()
    client.create_registered_model("bare")
    client.create_model_version("bare", f"runs:/{run.info.run_id}/generator", run.info.run_id)
    found = diagnose("bare/1", tracking_uri=store)
    assert "plain artifacts: generator.safetensors" in found.problem
    assert '"factory": "package.module:callable"' in found.remedy
    # As a tag, for a folder that nobody can change any more.
    client.set_model_version_tag("bare", "1", METADATA_TAG, '{"factory": "nobody"}')
    assert "installed package offers" in diagnose("bare/1", tracking_uri=store).problem


class TestDiffusers:
    def test_adapters_of_one_base_are_one_class(self, store: str, tmp_path: Path) -> None:
        mlflow.set_tracking_uri(store)
        base = formats.save_base(tmp_path / "base")
        formats.log_adapter("style", base)
        formats.log_adapter("style", base)
        diagnose("style/1", tracking_uri=store)
        found = diagnose("style/2", tracking_uri=store)
        assert "recorded latents" in found.facts["note"]
        assert found.facts["equivalence class"] == "style/1, style/2 (cannot be told apart)"
        shutil.rmtree(base)
        found = diagnose("style/1", tracking_uri=store)
        assert "holds no autoencoder here" in found.problem
        assert '"base_model": ' in found.remedy
        moved = formats.save_base(tmp_path / "moved")
        stated = f'{{"base_model": "{moved}"}}'
        MlflowClient().set_model_version_tag("style", "1", METADATA_TAG, stated)
        assert diagnose("style/1", tracking_uri=store).attributable

    def test_decoder_alone_or_in_a_pipeline(self, tmp_path: Path) -> None:
        base = formats.save_base(tmp_path / "base", seed=3)
        autoencoder = formats.tiny_autoencoder(seed=3)
        metadata = {"latent": {"shape": [4, 8, 8]}}
        for folder in (base, base / "vae"):
            loaded = read(folder)
            assert loaded.latent_shape == (4, 8, 8)
            split = split_generator(loaded.forward, metadata, state=loaded.state)
            assert torch.equal(split.layer.weight, autoencoder.decoder.conv_out.weight)
            latents = split.latent.sample(2, seed=1)
            with torch.no_grad():
                expected = autoencoder.decode(latents / 0.18215).sample
            torch.testing.assert_close(split.run(latents)[0], expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("kind", formats.AUTOENCODERS)
    def test_gradients_and_the_encoder(self, tmp_path: Path, kind: str) -> None:
        """Recorded images come back from the encoder's guess, in the denoiser's units."""
        model = formats.autoencoder(kind)
        model.save_pretrained(tmp_path)
        loaded = read(tmp_path)
        metadata = {"latent": {"shape": [4, 8, 8]}, "output_range": [-1, 1]}
        split = split_generator(loaded.forward, metadata, state=loaded.state)
        assert not any(key.startswith("encoder") for key in loaded.state)
        assert split.why_not_differentiable == ""
        assert split.encode is not None
        images = torch.rand(2, 3, 16, 16)
        latents = split.encode(images)
        assert torch.equal(split.encode(images), latents)
        assert latents.shape == (2, 4, 8, 8)
        with torch.no_grad():
            encoded = model.encode(images * 2 - 1)
            dist = getattr(encoded, "latent_dist", None)
            raw = encoded.latents if dist is None else dist.mode()
            factor = model.config.get("scaling_factor") or 1.0
            torch.testing.assert_close(latents, raw * factor, atol=1e-5, rtol=1e-5)
            expected = (model.decode(raw).sample.clamp(-1, 1) + 1) / 2
            torch.testing.assert_close(split.pixels(latents), expected, atol=1e-5, rtol=1e-5)

    def test_recorded_latents(self, tmp_path: Path) -> None:
        """A denoiser's latents are not those of a normal distribution; its owner keeps some."""
        base = formats.save_base(tmp_path / "base")
        recorded = torch.rand(9, 4, 8, 8)
        save_file({"latents": recorded}, base / "latents.safetensors")
        metadata = {"latent": {"shape": [4, 8, 8], "file": "latents.safetensors"}}
        loaded = read(base, **metadata)
        split = split_generator(loaded.forward, metadata, latents=loaded.latents)
        assert split.latent.distribution == "recorded"
        assert len(split.sample(9, seed=0)) == 9
        assert split.mean_activation(5000, seed=0).shape == split.layer.input_shape
        with pytest.raises(LatentUnknown, match="10 latents are needed"):
            split.sample(10, seed=0)
        for name in ("other.safetensors", "model_index.json"):
            with pytest.raises(GeneratorUnreadable, match="of latents"):
                read(base, latent={"shape": [4, 8, 8], "file": name})

    def test_scaling(self, tmp_path: Path) -> None:
        formats.tiny_autoencoder().save_pretrained(tmp_path)
        latents = torch.ones(1, 4, 8, 8)
        plain, scaled = read(tmp_path), read(tmp_path, scaling_factor=0.5)
        with torch.no_grad():
            same = torch.equal(plain.forward(latents * 0.18215), scaled.forward(latents * 0.5))
        assert same
        with pytest.raises(GeneratorUnreadable, match="scaling_factor"):
            read(tmp_path, scaling_factor="big")

    def test_pickled_weights_are_refused(self, tmp_path: Path) -> None:
        formats.tiny_autoencoder().save_pretrained(tmp_path, safe_serialization=False)
        assert list(tmp_path.glob("*.bin"))
        with pytest.raises(GeneratorUnreadable, match="cannot be read") as caught:
            read(tmp_path)
        assert "safe_serialization" in caught.value.remedy

    def test_a_base_on_the_hub_is_read_from_its_cache_and_never_downloaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        flavors = {"diffusers": {"base_model": "org/base", "base_model_revision": "a" * 40}}
        folder = ModelFolder(tmp_path, flavors)
        with pytest.raises(GeneratorUnreadable, match="org/base") as caught:
            read_generator(folder, {}, "cpu")
        assert "hf download org/base" in caught.value.remedy
        snapshot = tmp_path / "hub" / "models--org--base" / "snapshots" / ("a" * 40)
        formats.save_base(snapshot)
        assert "adapter of org/base" in read_generator(folder, {}, "cpu").kind
