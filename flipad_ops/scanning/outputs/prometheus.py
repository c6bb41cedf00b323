"""One scan as a file for node_exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime
from typing import TextIO

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from flipad_ops.common.shown_text import printable
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise
from flipad_ops.scanning.outputs import OutputFormat


def write_prometheus(outcome: ScanOutcome, stream: TextIO) -> None:
    """Counts of the scan, labelled by its targets: files of several scans may lie side by side."""
    facts, registry = summarise(outcome), CollectorRegistry()
    targets = printable(", ".join(facts["targets"]))
    models = printable(", ".join(facts["attributors"]))

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        names = ["targets", "models", *labels]
        return Gauge(f"flipad_scan_{name}", text, names, registry=registry)

    ended = datetime.fromisoformat(facts["started"]).timestamp() + facts["seconds"]
    images = gauge("images", "Objects by what became of them.", "outcome")
    for kind in ("scored", "skipped", "failed", "reused"):
        images.labels(targets, models, kind).set(facts[kind])
    seen = gauge("coverage", "Images by whether the scan has looked at them, or why not.", "kind")
    for kind, count in {
        "scanned": outcome.seen.scanned, "failed": outcome.seen.failed, **outcome.seen.skipped
    }.items():  # fmt: skip
        seen.labels(targets, models, kind).set(count)
    findings = gauge("findings", "Scored images by verdict.", "verdict")
    for verdict in ("leak", "review", "clear", "suppressed"):
        findings.labels(targets, models, verdict).set(facts[verdict])
    gauge("groups_called", "Groups called as a whole.").labels(targets, models).set(facts["groups"])
    for name, text, value in (
        (
            "complete",
            "Whether all that was listed is read, and not too much skipped.",
            facts["complete"],
        ),
        ("duration_seconds", "How long it took.", facts["seconds"]),
        ("end_timestamp_seconds", "When it ended.", round(ended)),
    ):
        gauge(name, text).labels(targets, models).set(value)
    stream.write(generate_latest(registry).decode())


PROMETHEUS = OutputFormat(write_prometheus)
