"""The size rule "search" is for attributors whose second witness speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flipad_ops.cli.app import app
from flipad_ops.common.errors import FlipadError, GeneratorUnavailable, UsageError
from flipad_ops.common.exit_codes import ATTRIBUTOR, USAGE, exit_code
from flipad_ops.registry.scorers import LoadedScorer, load_scorers
from flipad_ops.samples.columns import Column, Columns
from flipad_ops.workflows.size_check import check_size_rule
from tests.registry.stores import THIRD_PARTY

pytestmark = [pytest.mark.filterwarnings(text) for text in THIRD_PARTY]


def scan(store: str, *options: str) -> Result:
    Path("found").mkdir()
    arguments = ["scan", "found", "-m", "tiny", "--tracking-uri", store, *options]
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_without_a_second_witness(fitted: str, options: list[str]) -> None:
    done = scan(fitted, "--size-rule", "search", *options)
    assert isinstance(done.exception, UsageError), done.output
    assert exit_code(done.exception) == USAGE
    assert str(done.exception) == (
        "--size-rule search asks second witnesses, and tiny-attributor/1 was fitted without one: "
        "fit it again, or choose another size rule."
    )
    assert done.stdout == ""


def test_one_that_is_silent(fitted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "The second witness of tiny-attributor/1 is silent: its generator is gone."

    def silenced(*given: object) -> list[LoadedScorer]:
        scorers = load_scorers(["tiny"], tracking_uri=fitted)
        for scorer in scorers:
            scorer.silent = said  # type: ignore[attr-defined]
        return scorers  # type: ignore[return-value]

    monkeypatch.setattr("flipad_ops.registry.scorers.load_scorers", silenced)
    done = scan(fitted, "--size-rule", "search")
    assert isinstance(done.exception, GeneratorUnavailable), done.output
    assert isinstance(done.exception, FlipadError)
    assert exit_code(done.exception) == ATTRIBUTOR
    assert str(done.exception) == f"--size-rule search cannot be used: {said}"


def test_other_rules_and_tables_pass(fitted: str) -> None:
    scorers = load_scorers(["tiny"], tracking_uri=fitted)
    check_size_rule("resize", scorers)
    scorers[0].space = Columns((Column("a", 0.0, 1.0),))
    check_size_rule("search", scorers)
