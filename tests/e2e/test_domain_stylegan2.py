"""StyleGAN2 with output skips: register, doctor, fit, scan; the joint inversion comes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from benchmarks.domains_parts._stylegan2 import LATENT, train_stylegan2
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.inversion.joint import SkipInverter
from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.scorers import load_scorers
from tests.e2e.domains import House, patches

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_register_doctor_fit_scan(store: str, tmp_path: Path) -> None:
    house = House(tmp_path, store)
    module = train_stylegan2(patches("generator", 256), steps=40, seed=0, width=8)
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    factory = "benchmarks.domains_parts._stylegan2:Generator"
    house.flipadops(
        "register", "style", "--factory", factory, "--arg", "size=16", "--arg", "width=8",
        "--weights", "weights.safetensors", "--latent", str(LATENT),
    )  # fmt: skip
    facts = house.doctor("style/1")
    assert "[3, 8, 8], doubled (zeros between then filter 1,3,3,1" in facts["skip image"]
    assert "styles scale input channels" in facts["modulation"]
    assert facts["final layer"].startswith("conv2d, weight 3x8x1x1, bias, [11, 16, 16]")
    assert facts["activation"] == "identity, outputs -1 to 1"

    outcome = house.fit("style/1")
    assert outcome["status"] == "fitted"
    generator = load_generator("style/1", tracking_uri=store)
    tpr, separation = house.scan("style", generator.sample(40, seed=77))
    assert tpr >= 0.7  # 0.95 were asked for; 40 images
    assert separation >= 0.9

    # The attributor as it was stored inverts W and U together, and another copy of it, too.
    (scorer,) = load_scorers(["style"], tracking_uri=store)
    attributor = scorer.attributor  # type: ignore[attr-defined]
    assert isinstance(attributor._inverter, SkipInverter)
    assert attributor.layer.sha256() == generator.layer.sha256()
    again = load_attributor(save_attributor(attributor, tmp_path / "copy"))
    image = generator.sample(1, seed=5)
    assert again.layer.sha256() == attributor.layer.sha256()
    assert (again.score(image).score == attributor.score(image).score).all()
