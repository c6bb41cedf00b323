"""Buckets: who we are, what is asked of them, and targets in them."""
