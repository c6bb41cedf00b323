"""An output format: findings as a Markdown list."""

from __future__ import annotations

from typing import TextIO

from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import verdict
from flipad_ops.scanning.outputs import OutputFormat


def write_markdown(outcome: ScanOutcome, stream: TextIO) -> None:
    """One line for each leak and review, the most certain first."""
    stream.write(f"**{verdict(outcome)}**\n\n")
    for finding in outcome.of("leak", "review"):
        address = outcome.address(finding.row)
        stream.write(f"- {finding.verdict}: <{address}>, q = {finding.q:.2g}\n")


MARKDOWN = OutputFormat(write_markdown)
