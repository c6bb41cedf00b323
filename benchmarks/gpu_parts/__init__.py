"""Parts of the benchmark on a GPU."""
