"""Generators that are loaded for a report's pictures alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.common.errors import AttributorError
from flipad_ops.registry import tags
from flipad_ops.registry.generators import METADATA_TAG
from flipad_ops.registry.illustrators import Illustrators
from flipad_ops.registry.scorers import load_scorers
from tests.registry.test_second_witness import local_folder
from tests.scanning.fakes import DarkIsOurs

NAME = "tiny-attributor/1"


def test_an_attributor_without_a_second_witness_gets_its_generator(
    fitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attributor, "bring", pytest.fail)  # it stays unheard
    scorers = load_scorers(["tiny"], tracking_uri=fitted)
    illustrator = Illustrators(scorers, tracking_uri=fitted)(NAME)
    generator = illustrator.generator
    assert (generator.name, generator.version) == ("tiny", "1")
    assert generator.decoder_sha256 == scorers[0].card.decoder_sha256


def test_what_cannot_be_had_is_a_sentence(fitted: str, tmp_path: Path) -> None:
    client = MlflowClient(fitted)
    scorers = [*load_scorers(["tiny"], tracking_uri=fitted), DarkIsOurs()]
    illustrators = Illustrators(scorers, tracking_uri=fitted)
    for name in ("dark/1", "nobody/3"):
        with pytest.raises(AttributorError, match="not at hand"):
            illustrators(name)
    client.set_model_version_tag("tiny", "1", METADATA_TAG, '{"output_range": [-2, 2]}')
    with pytest.raises(AttributorError, match="has another output range"):
        illustrators(NAME)
    client.set_model_version_tag("tiny", "1", tags.DECODER, "f" * 64)
    with pytest.raises(AttributorError, match="has weights ffffffffffff"):
        illustrators(NAME)
    folder = load_scorers([local_folder(fitted, tmp_path)])
    with pytest.raises(AttributorError, match=r"no registry is configured .*models:/tiny/1"):
        Illustrators(folder)("tiny-attributor/local")
