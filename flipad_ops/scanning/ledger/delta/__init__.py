"""Ledgers that many scans write at once: Delta tables, on S3 or in a folder."""

from flipad_ops.scanning.ledger.delta.delta_ledger import DeltaLedger

__all__ = ["DeltaLedger"]
