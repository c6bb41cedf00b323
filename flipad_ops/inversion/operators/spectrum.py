"""(I + r W W^T)^-1 on the torus: one small Hermitian matrix per frequency."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.inversion.operators.polyphase import BlockOperator
from flipad_ops.inversion.operators.products import ALIGNMENT, multiply

#: Entries of all per-frequency matrices together, above which no inverse is built.
MAX_ENTRIES = 2**26
#: Largest single matrix to decompose (a dense eigendecomposition in float64).
MAX_WIDTH = 4096
#: Below this many columns the library multiplies with another kernel, whose last bits differ.
MIN_COLUMNS = 4


def is_affordable(operator: BlockOperator) -> bool:
    """Whether the inverse fits the limits above."""
    height, width = operator.outputs.torus
    frequencies = 1 if operator.pointwise else height * (width // 2 + 1)
    size = operator.outputs.width
    return size <= MAX_WIDTH and frequencies * size**2 <= MAX_ENTRIES


class Spectrum:
    """Eigendecomposition of W W^T per frequency, in float64 on the CPU, once per generator.

    Parameters
    ----------
    operator : BlockOperator, on the CPU
    """

    def __init__(self, operator: BlockOperator) -> None:
        self.torus = operator.outputs.torus
        self.pointwise = operator.pointwise
        matrix = operator.to("cpu", torch.float64)
        size = operator.outputs.width
        if self.pointwise:
            gram = matrix.matrix.T @ matrix.matrix
            self.values, self.vectors = torch.linalg.eigh(gram)
            return
        kernel = torch.zeros(*self.torus, size, size, dtype=torch.float64)
        parts = matrix.matrix.view(operator.inputs.width, len(operator.offsets[0]), -1, size)
        for (i, down), (k, down2) in product(enumerate(operator.offsets[0]), repeat=2):
            for (j, across), (m, across2) in product(enumerate(operator.offsets[1]), repeat=2):
                row = operator.sign * (down - down2) % self.torus[0]
                column = operator.sign * (across - across2) % self.torus[1]
                kernel[row, column] += parts[:, i, j].T @ parts[:, k, m]
        # (out, in) last, so that the transform of W W^T u is gram @ transform of u.
        gram = torch.fft.rfft2(kernel, dim=(0, 1))
        self.values, self.vectors = torch.linalg.eigh(gram.reshape(-1, size, size))

    @property
    def largest(self) -> float:
        """||W||^2 on the torus, at least that of the layer."""
        return float(self.values.max())

    def inverse(self, r: float, device: str | torch.device = "cpu") -> ShiftedInverse:
        """(I + r W W^T)^-1, ready to be applied in float32."""
        scale = 1.0 / (1.0 + r * self.values.clamp_min(0.0))
        matrices = (self.vectors * scale[..., None, :]) @ self.vectors.mH
        dtype = torch.float32 if self.pointwise else torch.complex64
        return ShiftedInverse(matrices.to(device, dtype).contiguous(), self.torus, self.pointwise)


class ShiftedInverse:
    """Applies the inverse to packed outputs (batch, *torus, width)."""

    def __init__(self, matrices: Tensor, torus: tuple[int, int], pointwise: bool) -> None:
        self.torus, self.pointwise, self.size = torus, pointwise, matrices.shape[-1]
        self.matrices = F.pad(matrices, (0, -self.size % ALIGNMENT)) if pointwise else matrices

    def __call__(self, blocks: Tensor) -> Tensor:
        """Same shape as `blocks`."""
        if self.pointwise:
            per_image = self.torus[0] * self.torus[1]
            product = multiply(blocks.reshape(-1, self.size), self.matrices, per_image)
            return product[:, : self.size].reshape(blocks.shape)
        batch, size = blocks.shape[0], blocks.shape[-1]
        waves = torch.fft.rfft2(blocks, dim=(1, 2))
        # bmm takes matrix by matrix, slowly, what is not contiguous.
        packed = waves.permute(1, 2, 3, 0).reshape(-1, size, batch).contiguous()
        if batch < MIN_COLUMNS:
            packed = F.pad(packed, (0, MIN_COLUMNS - batch))
        solved = torch.bmm(self.matrices, packed)[..., :batch]
        solved = solved.reshape(*waves.shape[1:], batch).permute(3, 0, 1, 2)
        out: Tensor = torch.fft.irfft2(solved, s=self.torus, dim=(1, 2))
        return out
