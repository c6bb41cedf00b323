"""Real generators, real photographs and the baselines that `benchmarks.regeneration` runs."""
