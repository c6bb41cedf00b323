"""Real generators of others, built from descriptions and filled with their own weights."""
