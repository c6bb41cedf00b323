"""Parts of benchmarks/inversion.py."""
