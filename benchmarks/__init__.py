"""Benchmarks: each compares side by side in one run and writes to benchmarks/results."""
