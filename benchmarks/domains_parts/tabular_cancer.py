"""Rows of scikit-learn's breast cancer table (569 x 30)."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._rows import table_material


def material(budget: float, seed: int) -> Material:
    """See `table_material`."""
    return table_material("Table: GAN on breast cancer", load_breast_cancer(), budget, seed)
