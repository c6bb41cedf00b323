"""Whole jobs as library calls: fit, scan, verify, evaluate; their tracking and data quality."""
