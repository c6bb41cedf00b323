"""Weak fits are held back, and a new fit is compared with the current one on the same images."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.attribution import words_of_rates
from flipad_ops.cli.app import app
from flipad_ops.common.errors import AttributorMissing
from flipad_ops.common.exit_codes import ATTRIBUTOR, OK
from flipad_ops.registry import tags
from flipad_ops.registry.champions import compared
from flipad_ops.registry.inventory import inventory, missing_attributors
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.workflows import challenge
from flipad_ops.workflows.challenge import seen_by
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry.tiny import tiny_settings

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")


def request(store: str, **fields: Any) -> FitRequest:
    fields.setdefault("settings", tiny_settings())
    return FitRequest("tiny/1", tracking_uri=store, **fields)


def aliases(store: str) -> dict[str, int]:
    model = MlflowClient(store).get_registered_model("tiny-attributor")
    return {alias: int(version) for alias, version in model.aliases.items()}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fit is weak."""
    monkeypatch.setattr(words_of_rates, "WEAK", -0.01)


@pytest.mark.usefixtures("strict")
def test_a_weak_fit_is_registered_and_not_published(registered: str, photos: Path) -> None:
    settings = tiny_settings(max_negatives=400, student_steps=2)
    asked = request(registered, negatives=(str(photos),), settings=settings)
    outcome = fit(asked)
    assert outcome.held_back
    assert not outcome.champion
    assert "WEAK, registered and not published: It attributes" in outcome.text()
    client = MlflowClient(registered)
    assert aliases(registered) == {}
    attributor = client.get_model_version("tiny-attributor", "1")
    assert outcome.weak.startswith(attributor.tags[tags.WEAK])
    assert "**Weak.** It attributes" in attributor.description
    assert "not published" in attributor.description
    generator = client.get_model_version("tiny", "1")
    assert generator.tags[tags.STATUS] == tags.WEAK_FIT
    assert "tiny-attributor/1 is weak" in generator.tags[tags.REASON]
    assert tags.ATTRIBUTOR not in generator.tags
    (entry,) = inventory(tracking_uri=registered)
    assert (entry.status, entry.attributor) == ("weak", "")
    # A fit would not help.
    assert missing_attributors(registered) == []
    for name in ("tiny", "tiny/1"):
        with pytest.raises(AttributorMissing, match="--accept-weak REASON"):
            load_scorers([name], tracking_uri=registered)
    (scorer,) = load_scorers(["tiny-attributor/1"], tracking_uri=registered)
    assert scorer.version == "1"

    again = fit(asked)
    assert (again.status, again.held_back) == ("exists", True)
    assert "--accept-weak" in again.text()
    # A stated reason publishes it without another fit, and stays.
    accepted = fit(request(registered, negatives=(str(photos),), settings=settings,
                           accept_weak="for a demonstration"))  # fmt: skip
    assert (accepted.status, accepted.version, accepted.champion) == ("exists", "1", True)
    assert not accepted.held_back
    assert aliases(registered) == {"current": 1, "generator-v1": 1}
    attributor = client.get_model_version("tiny-attributor", "1")
    assert attributor.tags[tags.ACCEPTED] == "for a demonstration"
    assert "reason stated: for a demonstration" in attributor.description
    assert "not published" not in attributor.description
    generator = client.get_model_version("tiny", "1")
    assert generator.tags[tags.STATUS] == tags.FITTED
    assert not generator.tags.get(tags.REASON)
    assert fit(asked).champion


@pytest.mark.usefixtures("strict")
def test_the_exit_code_says_that_nothing_was_published(
    fitted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(tiny_settings(seed=1).to_dict()))
    words = ["fit", "tiny/1", "--settings", str(path), "--tracking-uri", fitted, "-q"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == ATTRIBUTOR
    assert "--accept-weak REASON" in done.stdout
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["status"], found["champion"], found["accepted"]) == ("exists", False, "")
    assert found["weak"]
    # The project's entry point ends likewise, and passes a reason on.
    entry = runpy.run_path(str(ROOT / "mlproject" / "fit.py"))["main"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fitted)
    arguments = ["fit.py", "--model-uri", "tiny/1", "--settings", str(path)]
    for reason, code in (("", ATTRIBUTOR), ("for a test", OK)):
        monkeypatch.setattr("sys.argv", [*arguments, "--accept-weak", reason])
        assert entry() == code
    assert "published all the same (for a test)" in capsys.readouterr().out
    assert CliRunner().invoke(app, words).exit_code == OK


def test_an_earlier_attributor_goes_on_serving(fitted: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(words_of_rates, "WEAK", -0.01)
    outcome = fit(request(fitted, force=True))
    assert outcome.held_back
    assert aliases(fitted) == {"current": 1, "generator-v1": 1}
    generator = MlflowClient(fitted).get_model_version("tiny", "1")
    assert generator.tags[tags.STATUS] == tags.FITTED
    assert generator.tags[tags.ATTRIBUTOR] == "tiny-attributor/1"
    assert "tiny-attributor/2 is weak" in generator.tags[tags.REASON]


def test_a_reason_is_recorded_where_one_is_needed(fitted: str) -> None:
    outcome = fit(request(fitted, force=True, accept_weak="just in case"))
    assert (outcome.weak, outcome.accepted, outcome.champion) == ("", "", True)
    version = MlflowClient(fitted).get_model_version("tiny-attributor", "2")
    assert tags.ACCEPTED not in version.tags


def test_a_new_fit_is_compared_on_images_that_neither_was_trained_on(fitted: str) -> None:
    client = MlflowClient(fitted)
    seen = seen_by(client, client.get_model_version("tiny-attributor", "1"))
    assert seen is not None
    assert len(seen) == 80  # half of max_negatives
    outcome = fit(request(fitted, settings=tiny_settings(seed=1)))
    version = client.get_model_version("tiny-attributor", "2")
    found = compared(version)
    assert found is not None
    assert found.attributor == "tiny-attributor/1"
    # The other seed tests other images, of which the first fit was trained on a few.
    assert 12 <= found.foreign <= 40
    assert found.low <= found.difference <= found.high
    assert outcome.compared == found.text()
    assert found.text() in outcome.text()
    assert found.text() in version.description
    run = client.get_run(version.run_id)
    assert run.data.metrics["champion/difference"] == pytest.approx(found.difference)
    assert "comparison.json" in {item.path for item in client.list_artifacts(version.run_id)}
    assert outcome.champion == (found.high >= 0)


def test_both_witnesses_are_compared(witnessed: str) -> None:
    quick = load_scorers(["tiny"], tracking_uri=witnessed)[0]
    settings = quick.attributor.settings  # type: ignore[attr-defined]
    outcome = fit(request(witnessed, settings=settings, force=True))
    found = compared(MlflowClient(witnessed).get_model_version("tiny-attributor", "2"))
    assert found is not None, outcome.compared
    # The same fit: nothing differs.
    assert found.difference == 0
    assert (found.own, found.foreign) == (settings.regeneration.foreign,) * 2


def test_where_the_current_one_cannot_be_asked_recorded_figures_decide(fitted: str) -> None:
    client = MlflowClient(fitted)
    client.set_model_version_tag("tiny-attributor", "1", tags.FILES, "0" * 64)
    outcome = fit(request(fitted, settings=tiny_settings(seed=1)))
    assert "it cannot be loaded: The files of tiny-attributor/1 are not those" in outcome.compared
    second = client.get_model_version("tiny-attributor", "2")
    assert compared(second) is None
    assert outcome.compared in second.description


def test_a_run_of_an_earlier_version_does_not_say_what_it_was_trained_on(
    fitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenge, "SEEN", "data/not_yet.txt")
    assert "does not say" in fit(request(fitted, settings=tiny_settings(seed=2))).compared


def test_who_is_surely_worse_does_not_take_over(fitted: str) -> None:
    client = MlflowClient(fitted)
    fit(request(fitted, settings=tiny_settings(seed=1)))
    second = client.get_model_version("tiny-attributor", "2")
    client.set_registered_model_alias("tiny-attributor", "generator-v1", "1")
    for high, expected in ((-0.001, False), (0.0, True)):
        record = {**json.loads(second.tags[tags.COMPARED]), "high": high}
        client.set_model_version_tag("tiny-attributor", "2", tags.COMPARED, json.dumps(record))
        assert fit(request(fitted, settings=tiny_settings(seed=1))).champion == expected
