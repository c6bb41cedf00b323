"""What MLproject's entry points run."""
