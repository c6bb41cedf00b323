"""Parts of the hooks' benchmarks."""
