"""What the benchmarks share: pages, figures, results. Loads no torch."""
