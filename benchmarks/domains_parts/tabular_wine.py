"""Rows of scikit-learn's wine table (178 x 13)."""

from __future__ import annotations

from sklearn.datasets import load_wine

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._rows import table_material


def material(budget: float, seed: int) -> Material:
    """See `table_material`."""
    return table_material("Table: GAN on wine", load_wine(), budget, seed)
