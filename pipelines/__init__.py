"""Fit, scan and evaluate as sequences of library calls with data-quality gates between them."""
