"""Rows to verdicts."""
