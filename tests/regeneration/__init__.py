"""Tests of the second witness."""
