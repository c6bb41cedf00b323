"""Parts of the benchmark of adversaries."""
