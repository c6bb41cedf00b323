"""What several end-to-end tests need and takes seconds to make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.serialisation import save_attributor
from tests.e2e.forked_scans import Scans, forked_scans


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scans]:
    """Where `flipadops` processes start at once."""
    with forked_scans(tmp_path_factory.mktemp("scans")) as running:
        yield running


@pytest.fixture(scope="session")
def toy_folder(toy_fit: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy attributor as `--model` takes it."""
    folder = tmp_path_factory.mktemp("attributor") / "toy"
    save_attributor(toy_fit.attributor, folder)
    return folder
