"""What `benchmarks/verdicts.py` measures, a figure or two a file."""
