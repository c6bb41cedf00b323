"""Linear operators: the final layer and sums of blocks."""

from flipad_ops.inversion.operators.base import LinearOperator, squared_norm
from flipad_ops.inversion.operators.layer import LayerOperator

__all__ = ["LayerOperator", "LinearOperator", "squared_norm"]
