"""The attributor that the benchmark scans with."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.scan_parts.sources import Source
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.serialisation import save_attributor


def fit(source: Source, folder: Path) -> None:
    """Fit the source's own generator into `folder`."""
    result = fit_attributor(source.own, source.negatives(), source.settings(), progress=say)
    save_attributor(result.attributor, folder)


def say(stage: str, done: int, total: int) -> None:
    """Progress, on stderr."""
    if done in (0, total):
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage} {done}/{total}\n")
