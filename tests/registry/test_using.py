"""What the pages of the MLflow UI say about use."""

from __future__ import annotations

from mlflow.entities.model_registry import ModelVersion

from flipad_ops.registry import tags
from flipad_ops.registry.card import shortened
from flipad_ops.registry.using import BEGINS, described, line_of, usage


def _version(name: str, **known: str) -> ModelVersion:
    return ModelVersion(name=name, version="3", creation_timestamp=0, tags=list(known.items()))


def test_names_are_quoted_for_a_shell_and_for_python() -> None:
    text = "\n".join(usage(_version("it's; rm"), two_witnesses=True))
    assert """--model 'it'"'"'s; rm/3'""" in text
    assert 'load_model("models:/it\'s; rm-attributor@generator-v3")' in text
    assert "hears both witnesses" in text
    assert "instances" in text
    assert "instances" not in "\n".join(usage(_version("cells"), ["a", "b"]))


def test_a_description_keeps_what_its_owner_wrote() -> None:
    first = described("Faces, 64x64.\n\nAsk Ann.\n", f"{BEGINS} one")
    assert first == f"Faces, 64x64.\n\nAsk Ann.\n\n{BEGINS} one"
    again = described(f"{first}\nadded later", f"{BEGINS} two")
    assert again == f"Faces, 64x64.\n\nAsk Ann.\n\n{BEGINS} two\nadded later"
    assert described("", f"{BEGINS} one") == f"{BEGINS} one"
    assert described(again, f"{BEGINS} two") == again


def test_a_line_leaves_out_figures_that_nobody_recorded() -> None:
    generator, attributor = _version("faces"), _version("faces-attributor")
    attributor._tags = {tags.TPR: "0.995", tags.FPR: "0.5", tags.FPR_GIVEN: "0.0125"}
    said = line_of(attributor, generator)
    assert "finds 99.50% of own images" in said
    assert "takes 1.25% of the worst foreign source" in said
    attributor._tags = {tags.TPR: "?"}
    assert "finds" not in line_of(attributor, generator)


def test_a_card_fits_into_the_registry_database() -> None:
    card = "\n".join(f"line {number}" for number in range(2000))
    short = shortened(card)
    assert len(short) <= tags.DESCRIPTION_LENGTH
    assert short.endswith("The run's description has the rest.")
    assert all(line in card.splitlines() for line in short.splitlines()[:-2])
    assert shortened("short") == "short"
