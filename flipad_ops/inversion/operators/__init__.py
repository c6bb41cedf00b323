"""Linear operators: the final layer and sums of blocks."""

from flipad_ops.inversion.operators.layer_operator import LayerOperator
from flipad_ops.inversion.operators.operator import LinearOperator, squared_norm

__all__ = ["LayerOperator", "LinearOperator", "squared_norm"]
