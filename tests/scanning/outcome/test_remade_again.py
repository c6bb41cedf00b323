"""`verify` on what the second witness said: by a new search, and by the recorded latent alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.attribution.testimony import Testimony, pack_latent
from flipad_ops.common.errors import AttributorError
from flipad_ops.scanning.decisions.records import Finding, replace_row
from flipad_ops.scanning.outcome.evidence import Evidence
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.verifier import Check, Verifier
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.remaking import Enlarger
from tests.scanning.test_witnesses import objects

SHAPE = (3, 16, 16)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "found").mkdir()
    for name, data in objects().items():
        (tmp_path / "found" / name).write_bytes(data)
    plan = ScanPlan([open_target(str(tmp_path / "found"))], workers=0, fdr=0.05)
    write_outputs(run_scan(plan, [Enlarger(SHAPE)]), [("jsonl", tmp_path / "run.jsonl")])
    return tmp_path / "run.jsonl"


def checked(
    saved: Path,
    scorer: Enlarger | None = None,
    change: Callable[[Testimony], Testimony | None] = lambda said: said,
    **options: bool,
) -> dict[str, Check]:
    """Checks by key, after a change of what the file records."""
    outcome = load_outcome(saved)
    verifier = Verifier(
        outcome, [scorer or Enlarger(SHAPE)], Evidence(outcome.request.targets, 10**6), **options
    )

    def changed(finding: Finding) -> Finding:
        said = finding.row.testimony
        return replace(
            finding, row=replace_row(finding.row, testimony=None if said is None else change(said))
        )

    found = [changed(f) for f in outcome.findings if f.row.testimony is not None]
    return {check.finding.row.key: check for check in verifier.check(found)}


def test_what_was_said_is_said_again(saved: Path) -> None:
    assert {check.state for check in checked(saved).values()} == {"confirmed"}
    flagged = checked(saved, regenerate=True)
    assert {key: check.state for key, check in flagged.items()} == {
        "both.png": "confirmed", "compressed.jpg": "confirmed",
        "first.png": "unavailable", "neither.png": "unavailable",
    }  # fmt: skip
    assert flagged["first.png"].reasons == (
        "No latent is recorded from which to make the image again.",
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda said: replace(said, ratio=said.ratio * 1.2), "times as far as allowed, recorded"),
        (lambda said: replace(said, words="JPEG 10"), "recorded was 'JPEG 10'"),
        (lambda said: replace(said, witnesses="neither"), "recorded was neither"),
        (lambda said: None, "The second witness says nothing then, and spoke now."),
    ],
)
def test_another_search_that_ends_elsewhere_differs(
    saved: Path, change: Callable[[Testimony], Testimony | None], sentence: str
) -> None:
    check = checked(saved, change=change)["both.png"]
    assert check.state == "differs"
    assert any(sentence in reason for reason in check.reasons)


class Silent(Enlarger):
    """Whose second witness is gone."""

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        return replace(super().score(pixels, residual), testimony=None)


def test_a_second_witness_that_is_gone_differs(saved: Path) -> None:
    check = checked(saved, Silent(SHAPE))["both.png"]
    assert "The second witness says nothing now, and spoke then." in check.reasons


def forged(said: Testimony) -> Testimony:
    """Another latent, with a hash that fits."""
    text, sha256 = pack_latent(torch.full(said.latent_shape, 0.9))
    return replace(said, latent=text, latent_sha256=sha256)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (forged, "dB from the found one, recorded was"),
        (lambda said: replace(said, psnr=said.psnr - 0.2), "dB from the found one, recorded was"),
        (lambda said: replace(said, alteration={"jpeg": 20}), "dB from the found one, recorded"),
        (lambda said: replace(said, latent_sha256="0" * 64), "not what its hash and shape say"),
        (lambda said: replace(said, latent="x"), "cannot be unpacked"),
    ],
)
def test_a_record_that_makes_another_image_differs(
    saved: Path, change: Callable[[Testimony], Testimony], sentence: str
) -> None:
    check = checked(saved, change=change, regenerate=True)["both.png"]
    assert check.state == "differs"
    assert sentence in " ".join(check.reasons)


class Bereft(Enlarger):
    """Whose generator is not at hand."""

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        raise AttributorError("There is no generator.")


def test_without_the_generator_it_is_unavailable(saved: Path) -> None:
    check = checked(saved, Bereft(SHAPE), regenerate=True)["both.png"]
    assert (check.state, check.reasons) == (
        "unavailable", ("The image cannot be made again: There is no generator.",)
    )  # fmt: skip
    assert check.to_dict()["finding"]["testimony"]["words"] == "as made"
