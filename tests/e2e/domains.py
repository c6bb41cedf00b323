"""What the tests of domains share: the commands in this process, and settings for small fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from flipad_ops.cli.app import app
from flipad_ops.detection import DeepSadSettings
from flipad_ops.fit_settings import FitSettings
from flipad_ops.inversion import InversionSettings


def flipadops(*arguments: str, code: int = 0) -> Result:
    """Run a command that must end with `code`."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, (result.exception, result.output)
    return result


def small(path: Path, **changes: Any) -> str:
    """A file of settings for a fit of some seconds."""
    settings = FitSettings(
        inversion=InversionSettings(tolerance=0.1),
        detector=DeepSadSettings(dim=32, epochs=6, learning_rate=1e-3),
        own_train=400,
        own_calibration=250,
        own_test=60,
        anchor_samples=200,
        students=0,
        recompressed=0,
        second_moments=False,
        min_negatives=40,
        max_negatives=600,
    )
    path.write_text(json.dumps(replace(settings, **changes).to_dict()))
    return str(path)


def summary(text: str) -> dict[str, Any]:
    """The summary of a scan's JSON output."""
    found: dict[str, Any] = json.loads(text)["summary"]
    return found
